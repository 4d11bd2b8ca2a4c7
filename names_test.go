package saslkit_test

import (
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// TestNameProfile logs in under several spellings of a name with every mechanism
// that has names: the profile that made the account is the one that finds it.
func TestNameProfile(t *testing.T) {
	t.Parallel()
	binding := func(string) ([]byte, bool) { return []byte("channel"), true }
	for _, c := range []struct {
		typed, stored string
		profile       mech.NameProfile
		want          bool
	}{
		{"Alice", "alice", mech.UsernameCaseMapped, true},
		{"ALICE@EXAMPLE.COM", "alice", mech.UsernameCaseMapped, true},
		{"\uff21lice", "alice", mech.UsernameCaseMapped, true},
		{"\u00c9ve", "e\u0301ve", mech.UsernameCaseMapped, true},
		{"Alice", "alice", mech.UsernameCasePreserved, false},
		{"Alice", "alice", mech.SASLprep, false},
		{"\uff21lice", "Alice", mech.UsernameCasePreserved, true},
		{"\uff21lice", "Alice", mech.SASLprep, true},
		{"al\u00adice", "alice", mech.SASLprep, true},
		{"al\u00adice", "alice", mech.UsernameCaseMapped, false},
	} {
		stored, err := c.profile.Prepare(c.stored)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mech.All() {
			if m.Need != mech.NeedPassword && m.Need != mech.NeedSecret {
				continue
			}
			people := verifiertest.NewMemory()
			people.Add(verifiertest.User{Name: stored, Realm: testRealm, Password: "a secret phrase"},
				verifier.Secret{Kind: verifier.KindOTP, Value: mech.OTPSecret("a secret phrase")})
			a := &saslkit.Authenticator{Verifier: people, Names: c.profile, Policy: anything, Mechanisms: []string{m.Name}}
			r, err := saslkittest.Client{
				Mechanism: m.Name, Realm: realm.Policy{Default: testRealm},
				Channel:     saslkit.Channel{Secure: true, Binding: binding},
				Credentials: saslkit.Credentials{Username: c.typed, Password: "a secret phrase"},
			}.Login(a)
			want := c.want
			if _, scram := verifier.SCRAMKind(m.Name); scram && c.typed == "al\u00adice" {
				want = true // its clients send names prepared (RFC 5802 section 5.1)
			}
			if want && (err != nil || r.User != stored) || !want && err == nil {
				t.Errorf("%s, %v: %+q for %+q: %+v, %v; want success %v", m.Name, c.profile, c.typed, stored, r, err, want)
			}
		}
	}
}
