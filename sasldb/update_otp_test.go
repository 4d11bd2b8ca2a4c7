//go:build unix

package sasldb

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
)

// TestUpdateOfSeries: the next state of a series leaves the secrets of other programs
// alone, and a new series is a new password.
func TestUpdateOfSeries(t *testing.T) {
	t.Parallel()
	const first = "md5\t0499\tvm3333\t2b2b2ef89c2e8954\t00000000000000000000"
	for _, c := range []struct {
		name, next string
		more       []verifier.Secret
		want       []string
	}{
		{"next", "md5\t0498\tvm3333\t0123456789abcdef\t00000000000000000000", nil, []string{"cmusaslsecretOTP", "cmusaslsecretSRP", "mailQuota", "userPassword"}},
		{"another seed", "md5\t0498\tvm3334\t0123456789abcdef\t00000000000000000000", nil, []string{"cmusaslsecretOTP", "mailQuota", "userPassword"}},
		{"another hash", "md4\t0498\tvm3333\t0123456789abcdef\t00000000000000000000", nil, []string{"cmusaslsecretOTP", "mailQuota", "userPassword"}},
		{"another password too", "md5\t0498\tvm3333\t0123456789abcdef\t00000000000000000000", []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte("new")}}, []string{"cmusaslsecretOTP", "mailQuota", "userPassword"}},
	} {
		path := filepath.Join(t.TempDir(), "sasldb2")
		mustEdit(t, path, WriteOptions{Create: true}, func(tx *Tx) error {
			for property, value := range map[string]string{PropertyPassword: "old", propertyOTP: first, "cmusaslsecretSRP": "x", "mailQuota": "1"} {
				if err := tx.Set(Record{"al", "r", property, []byte(value)}); err != nil {
					return err
				}
			}
			return nil
		})
		mustUpdate(t, path, "al", func(e verifier.Entry) (verifier.Entry, error) {
			secrets := slices.DeleteFunc(e.Secrets, func(s verifier.Secret) bool { return s.Kind == verifier.KindOTP || c.more != nil })
			e.Secrets = append(append(secrets, c.more...), verifier.Secret{Kind: verifier.KindOTP, Value: []byte(c.next)})
			return e, nil
		})
		listing, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, r := range listing.Records {
			got[r.Property] = string(r.Value)
		}
		if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(got))); diff != "" || got[propertyOTP] != c.next {
			t.Errorf("%s: %q (-want +got):\n%s", c.name, got[propertyOTP], diff)
		}
	}
}
