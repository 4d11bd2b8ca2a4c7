package verifier_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// A counted verifier only checks passwords, and says of whom.
type counted struct{ *verifiertest.Memory }

func (c counted) Coverage() verifier.Coverage {
	full := c.Memory.Coverage()
	check := verifier.KindsOf(verifier.KindCheck)
	return verifier.Coverage{Some: check, All: check, Users: full.Users, Counts: map[verifier.Kinds]int{check: full.Users}, Realms: full.Realms}
}

// uncounted is a store that cannot count.
type uncounted struct{ *verifiertest.Memory }

func (uncounted) Coverage() verifier.Coverage { return verifier.Declared(verifier.KindSCRAMSHA256) }

func TestTransitionCoverage(t *testing.T) {
	t.Parallel()
	const (
		check  = 1 << verifier.KindCheck
		keys   = 1 << verifier.KindSCRAMSHA256
		origin = 1 << verifier.KindOrigin
		cram   = 1 << verifier.KindCRAMMD5
	)
	held := verifier.Decoy(verifier.KindSCRAMSHA256)
	made := verifier.Secret{Kind: verifier.KindOrigin, Value: []byte(someOrigin)}
	people := verifiertest.NewMemory(testUsers("example.com")...) // two of them are locked
	empty := new(verifiertest.Memory)
	one, both, mixed := new(verifiertest.Memory), new(verifiertest.Memory), new(verifiertest.Memory)
	one.Add(verifiertest.User{Name: "alice", Realm: "example.com"}, held, made)
	for _, name := range []string{"alice", "bob"} {
		both.Add(verifiertest.User{Name: name, Realm: "example.com"}, held, made)
	}
	mixed.Add(verifiertest.User{Name: "alice", Realm: "example.com"}, held, made)
	mixed.Add(verifiertest.User{Name: "zoe", Realm: "example.org", Password: "own"}, verifier.Decoy(verifier.KindCRAMMD5))
	realms := []string{"example.com"}

	for _, c := range []struct {
		name     string
		from     verifier.Verifier
		to       verifier.SecretStore
		complete bool
		want     verifier.Coverage
	}{
		{"nobody yet", counted{people}, empty, false, verifier.Coverage{Some: check, All: check, Users: 2, Counts: map[verifier.Kinds]int{check: 2}, Realms: realms}},
		{"one of two", counted{people}, one, false, verifier.Coverage{Some: check | keys | origin, All: check, Users: 2, Counts: map[verifier.Kinds]int{check: 1, check | keys | origin: 1}, Realms: realms}},
		{"as many copies as users", counted{people}, both, false, verifier.Coverage{Some: check | keys | origin, All: check, Users: -1, Realms: realms}},
		{"all, says the site", counted{people}, both, true, verifier.Coverage{Some: check | keys | origin, All: check | keys | origin, Users: -1, Realms: realms}},
		{"an own user", counted{people}, mixed, false, verifier.Coverage{
			Some: check | keys | origin | cram | 1<<verifier.KindPassword, Users: 3, Realms: []string{"example.com", "example.org"},
			Counts: map[verifier.Kinds]int{check: 1, check | keys | origin: 1, cram | 1<<verifier.KindPassword: 1},
		}},
		{"a verifier that cannot count", passwordOnly{people}, one, false, verifier.Coverage{Some: check | keys | origin, All: check, Users: -1, Realms: realms}},
		{"a store that cannot count", counted{people}, uncounted{empty}, false, verifier.Coverage{Some: check | keys, All: check, Users: -1, Realms: realms}},
		{"and all, says the site", counted{people}, uncounted{empty}, true, verifier.Coverage{Some: check | keys, All: check | keys, Users: -1, Realms: realms}},
	} {
		m, err := verifier.Transition(c.from, c.to, verifier.TransitionOptions{Complete: c.complete})
		if err != nil {
			t.Fatal(err)
		}
		got := m.Coverage()
		c.want.Stores = c.to.Coverage().Stores
		if len(got.Realms) == 0 {
			got.Realms = realms
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
		m.Close()
	}

	m, err := verifier.Transition(people, mixed, verifier.TransitionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	zoe := verifier.KindsOf(verifier.KindPassword, verifier.KindCRAMMD5)
	want := verifier.Coverage{Some: zoe, All: zoe, Users: 1, Counts: map[verifier.Kinds]int{zoe: 1}, Realms: []string{"example.com", "example.org"}}
	if diff := cmp.Diff(want, m.Own().Coverage()); diff != "" {
		t.Errorf("own users: (-want +got)\n%s", diff)
	}
}
