package sasldb

import (
	"bytes"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// TestProperties: every kind that a sasldb holds becomes a record and back.
func TestProperties(t *testing.T) {
	t.Parallel()
	for kind, value := range map[verifier.Kind][]byte{
		verifier.KindPassword:  []byte("pencil"),
		verifier.KindCRAMMD5:   mech.CRAMMD5Secret("pencil"),
		verifier.KindDIGESTMD5: mech.DIGESTMD5Secret("al", "r", "pencil"),
		verifier.KindOTP:       []byte("md5\t0499\tve0001\t0123456789abcdef\t00000000000000000000"),
	} {
		name, stored, err := recordOf(verifier.Secret{Kind: kind, Value: value})
		if err != nil {
			t.Errorf("%v: %v", kind, err)
			continue
		}
		p, ok := propertyOf(kind)
		if !ok || p.name != name {
			t.Errorf("%v becomes %s", kind, name)
			continue
		}
		if v, ok := p.decode(stored); !ok || !bytes.Equal(v, value) {
			t.Errorf("%v does not come back from %s", kind, name)
		}
		if _, ok := p.decode(nil); ok {
			t.Errorf("%v: an empty value serves logins", kind)
		}
	}
	for _, s := range []verifier.Secret{
		{Kind: verifier.KindCheck, Value: []byte("pencil")},
		{Kind: verifier.KindPassword},
		{Kind: verifier.KindCRAMMD5, Value: []byte("pencil")},
		{Kind: verifier.KindDIGESTMD5, Value: []byte("pencil")},
		{Kind: verifier.KindOTP, Value: []byte("pencil")},
		{Kind: verifier.KindSCRAMSHA1, Value: []byte("pencil")},
		{Kind: 200, Value: []byte("pencil")},
	} {
		name, value, err := recordOf(s)
		if err == nil || name != "" || value != nil {
			t.Errorf("%v of %d bytes becomes %q", s.Kind, len(s.Value), name)
			continue
		}
		if strings.Contains(err.Error(), "pencil") {
			t.Errorf("the value shows: %v", err)
		}
	}
	seen := map[verifier.Kind]string{}
	for _, p := range properties {
		if other, twice := seen[p.kind]; twice || strings.HasPrefix(p.name, disabledPrefix) {
			t.Errorf("%s: kind of %q, or a name with the prefix of disabled ones", p.name, other)
		}
		seen[p.kind] = p.name
	}
}
