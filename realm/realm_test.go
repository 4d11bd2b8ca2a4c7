package realm

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	site := Policy{Default: "example.com", Others: []string{"example.org"}}
	first := Policy{Default: "b@c", Rule: CyrusFirstAt}
	last := Policy{Default: "c", Rule: CyrusLastAt}
	for _, c := range []struct {
		name        string
		policy      Policy
		in          string
		user, realm string
		err         error
	}{
		{"bare name", site, "al", "al", "example.com", nil},
		{"default realm named", site, "al@example.com", "al", "example.com", nil},
		{"other realm named", site, "al@example.org", "al", "example.org", nil},
		{"realm of the file but not of the policy", site, "al@evil.example", "al", "evil.example", ErrUnknown},
		{"realms are not folded", site, "al@EXAMPLE.com", "al", "EXAMPLE.com", ErrUnknown},
		{"empty realm named", site, "al@", "al", "", ErrUnknown},
		{"two @ refused", site, "a@b@example.com", "", "", ErrAmbiguous},
		{"Cyrus sasldb", first, "a@b@c", "a", "b@c", nil},
		{"Cyrus saslauthd", last, "a@b@c", "a@b", "c", nil},
		{"no realms, bare", Policy{}, "al", "al", "", nil},
		{"no realms, address is the user", Policy{}, "al@example.com", "al@example.com", "", nil},
		{"no realms, two @", Policy{}, "a@b@c", "", "", ErrAmbiguous},
		{"empty user", site, "@example.com", "", "example.com", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			user, realm, err := c.policy.Split(c.in)
			if user != c.user || realm != c.realm || !errors.Is(err, c.err) {
				t.Errorf("Split(%q) = %q, %q, %v; want %q, %q, %v", c.in, user, realm, err, c.user, c.realm, c.err)
			}
		})
	}
}

func TestRealms(t *testing.T) {
	for _, c := range []struct {
		policy Policy
		want   []string
	}{
		{Policy{}, nil},
		{Policy{Default: "a"}, []string{"a"}},
		{Policy{Default: "a", Others: []string{"b", "a", "", "c"}}, []string{"a", "b", "c"}},
		{Policy{Others: []string{"b"}}, []string{"b"}},
	} {
		if diff := cmp.Diff(c.want, c.policy.Realms()); diff != "" {
			t.Errorf("%+v.Realms (-want +got):\n%s", c.policy, diff)
		}
	}
}

// FuzzSplit: whatever the name, the halves are made of it and nothing is lost.
func FuzzSplit(f *testing.F) {
	for _, name := range []string{"", "al", "al@a", "al@", "@a", "a@b@c", "@@", "\x00@\xff"} {
		f.Add(name, "a", "b", uint8(0))
	}
	f.Fuzz(func(t *testing.T, name, def, other string, rule uint8) {
		p := Policy{Default: def, Others: []string{other}, Rule: Rule(rule % 3)}
		user, realm, err := p.Split(name)
		switch {
		case errors.Is(err, ErrAmbiguous):
			if user != "" || realm != "" {
				t.Fatalf("Split(%q) = %q, %q, %v", name, user, realm, err)
			}
		case err == nil && !p.Serves(realm):
			t.Fatalf("Split(%q) gives the realm %q, which is not served", name, realm)
		case user != name && user+"@"+realm != name:
			t.Fatalf("Split(%q) = %q, %q, %v", name, user, realm, err)
		}
	})
}
