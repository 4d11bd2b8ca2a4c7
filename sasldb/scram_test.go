package sasldb

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
)

const (
	sha1Keys   = "SCRAM-SHA-1$4096:c2FsdDE=$AQEBAQEBAQEBAQEBAQEBAQEBAQE=:AgICAgICAgICAgICAgICAgICAgI="
	sha256Keys = "SCRAM-SHA-256$10000:c2FsdDI=$AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=:BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ="
	sha512Keys = "SCRAM-SHA-512$10000:c2FsdDU=$BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQ==:BgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBg=="
)

func kindsIn(keys map[verifier.Kind][]byte) []verifier.Kind {
	return slices.Sorted(maps.Keys(keys))
}

// TestSCRAMKeysInForce: which keys count after other programs have changed one
// property and left the others.
func TestSCRAMKeysInForce(t *testing.T) {
	t.Parallel()
	const more1, more512 = morePrefix + "SCRAM-SHA-1", morePrefix + "SCRAM-SHA-512"
	all := []verifier.Kind{verifier.KindSCRAMSHA1, verifier.KindSCRAMSHA256, verifier.KindSCRAMSHA512}
	beside := " beside 10000:c2FsdDI="
	for _, c := range []struct {
		name   string
		values map[string]string
		want   []verifier.Kind
	}{
		{"as Cyrus stores them", map[string]string{propertySCRAM: sha1Keys}, all[:1]},
		{"as we store them", map[string]string{propertySCRAM: sha256Keys, more1: sha1Keys + beside, more512: sha512Keys + beside}, all},
		{"with a password", map[string]string{PropertyPassword: "pw", propertySCRAM: sha256Keys + withMark, more1: sha1Keys + beside + withMark}, all[:2]},
		{"the password was deleted", map[string]string{propertySCRAM: sha256Keys + withMark, more1: sha1Keys + beside + withMark}, nil},
		{"authPassword is newer", map[string]string{propertySCRAM: "SCRAM-SHA-256$4096:bmV3$CCCC:DDDD", more1: sha1Keys + beside}, all[1:2]},
		{"authPassword is newer and of another hash", map[string]string{propertySCRAM: "SCRAM-SHA-1$4096:bmV3$CCCC:DDDD", more512: sha512Keys + beside}, all[:1]},
		{"authPassword was deleted", map[string]string{more1: sha1Keys + beside}, nil},
		{"keys under another name", map[string]string{propertySCRAM: sha256Keys, more1: sha512Keys + beside}, all[1:2]},
		{"keys of a password only in part", map[string]string{propertySCRAM: sha256Keys, more1: sha1Keys + beside + withMark}, all[1:2]},
		{"an unknown hash", map[string]string{propertySCRAM: "SCRAM-SHA-999$1:AAAA$B:C"}, nil},
		{"cut", map[string]string{propertySCRAM: "SCRAM-SHA-1$4096:AAAA"}, nil},
		{"empty", map[string]string{propertySCRAM: ""}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			values := map[string][]byte{}
			for name, value := range c.values {
				values[name] = []byte(value)
			}
			if diff := cmp.Diff(c.want, kindsIn(scramKeys(values))); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSCRAMProperties stores keys with and without a password and reads them back.
func TestSCRAMProperties(t *testing.T) {
	t.Parallel()
	keys := map[verifier.Kind][]byte{
		verifier.KindSCRAMSHA1:   []byte(sha1Keys),
		verifier.KindSCRAMSHA256: []byte(sha256Keys),
		verifier.KindSCRAMSHA512: []byte(sha512Keys),
	}
	for _, values := range []map[string][]byte{{}, {PropertyPassword: []byte("pw")}} {
		password := len(values) > 0
		if err := putSCRAM(values, keys); err != nil {
			t.Fatal(err)
		}
		if got := string(values[propertySCRAM]) == sha256Keys; got == password {
			t.Errorf("authPassword is as Cyrus writes it: %v; with a password: %v", got, password)
		}
		if diff := cmp.Diff(keys, scramKeys(values)); diff != "" {
			t.Errorf("read back, with a password: %v (-want +got):\n%s", password, diff)
		}
	}
	for kind, bad := range map[verifier.Kind]string{verifier.KindSCRAMSHA1: sha256Keys, verifier.KindSCRAMSHA256: sha256Keys + withMark, verifier.KindSCRAMSHA512: "x"} {
		if err := putSCRAM(map[string][]byte{}, map[verifier.Kind][]byte{kind: []byte(bad)}); err == nil {
			t.Errorf("%v: %q is stored", kind, bad)
		}
	}
}

func FuzzParseSCRAM(f *testing.F) {
	for _, s := range []string{sha1Keys, sha256Keys + " beside 10000:AAAA", sha512Keys + withMark, sha1Keys + " beside 1:A" + withMark, "", "$$"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		v, ok := parseSCRAM(value)
		if !ok {
			if v.keys != nil || v.salt != nil || v.beside != nil {
				t.Error("refused, yet something is returned")
			}
			return
		}
		if got := v.append(nil); string(got) != string(value) {
			t.Errorf("%q is printed as %q", value, got)
		}
	})
}

// TestSCRAMMechanisms: there is a place for the keys of every hash.
func TestSCRAMMechanisms(t *testing.T) {
	t.Parallel()
	var kinds []verifier.Kind
	for _, m := range scramMechanisms {
		kinds = append(kinds, m.kind)
	}
	slices.Sort(kinds)
	if diff := cmp.Diff(verifier.SCRAMKinds(), kinds); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// packed is the secret of a record.
func packed(record string) string {
	s, err := verifier.ParseSCRAM(record)
	if err != nil {
		panic(err)
	}
	return string(s.Value)
}
