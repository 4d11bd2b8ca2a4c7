//go:build unix

package sasldb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// TestStoreConformance holds a DB of each writable format against the contract of
// stores, with and without the look at every login.
func TestStoreConformance(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{BerkeleyDB, GDBM} {
		for _, recheck := range []time.Duration{0, maxRecheck} {
			t.Run(fmt.Sprint(f, "/", recheck), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "sasldb2")
				mustEdit(t, path, WriteOptions{Create: true, Format: f}, func(tx *Tx) error {
					return errors.Join(tx.Set(user("alice", "example.com", "pencil")), tx.Set(user("bob", "example.com", "crayon")))
				})
				db, err := OpenWith(path, Options{Recheck: recheck})
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				err = verifiertest.TestVerifier(db,
					verifiertest.User{Name: "alice", Realm: "example.com", Password: "pencil"},
					verifiertest.User{Name: "bob", Realm: "example.com", Password: "crayon"})
				if err != nil {
					t.Error(err)
				}
				leftOnly(t, filepath.Dir(path), "sasldb2")
			})
		}
	}
}

// setPassword is a change that leaves the user this password alone.
func setPassword(password string) func(verifier.Entry) (verifier.Entry, error) {
	return func(e verifier.Entry) (verifier.Entry, error) {
		e.Exists = true
		e.Secrets = []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte(password)}}
		return e, nil
	}
}

func mustUpdate(t *testing.T, path, name string, change func(verifier.Entry) (verifier.Entry, error)) {
	t.Helper()
	if err := Update(t.Context(), path, WriteOptions{Create: true}, request(name, "r"), change); err != nil {
		t.Fatal(err)
	}
}

func propertiesIn(t *testing.T, path, name string) map[string]string {
	t.Helper()
	l, err := Read(path)
	if err != nil || l.Damage != nil {
		t.Fatal(err, l.Damage)
	}
	found := map[string]string{}
	for _, r := range l.Records {
		if r.Authid == name {
			found[r.Property] = string(r.Value)
		}
	}
	return found
}

// TestUpdateProperties: what becomes of the records of a user, whatever they are.
func TestUpdateProperties(t *testing.T) {
	t.Parallel()
	keep := func(e verifier.Entry) (verifier.Entry, error) { return e, nil }
	disable := func(e verifier.Entry) (verifier.Entry, error) { e.Disabled = true; return e, nil }
	enable := func(e verifier.Entry) (verifier.Entry, error) { e.Disabled = false; return e, nil }
	remove := func(verifier.Entry) (verifier.Entry, error) { return verifier.Entry{}, nil }
	type m = map[string]string
	all := m{PropertyPassword: "old", "cmusaslsecretSRP": "srp", "cmusaslsecretPLAIN": "plain", "authPassword": sha1Keys, "mail": "al@example.com"}
	for _, c := range []struct {
		name         string
		before, want m
		change       func(verifier.Entry) (verifier.Entry, error)
	}{
		{"new user", m{}, m{PropertyPassword: "new"}, setPassword("new")},
		{"no old secret survives", all, m{PropertyPassword: "new", "mail": "al@example.com"}, setPassword("new")},
		{"the same secrets: the others stay", all, all, keep},
		{"delete everything", all, m{}, remove},
		{
			"disable", m{PropertyPassword: "old", "cmusaslsecretSRP": "srp", "mail": "x"},
			m{disabledPrefix + PropertyPassword: "old", disabledPrefix + "cmusaslsecretSRP": "srp", "mail": "x"}, disable,
		},
		{"disable without secrets", m{"mail": "x"}, m{"mail": "x", disabledPrefix: ""}, disable},
		{"enable without secrets", m{"mail": "x", disabledPrefix: ""}, m{"mail": "x"}, enable},
		{"enable", m{disabledPrefix + PropertyPassword: "old"}, m{PropertyPassword: "old"}, enable},
		{"enable: what Cyrus set meanwhile is newer", m{disabledPrefix + PropertyPassword: "old", PropertyPassword: "new"}, m{PropertyPassword: "new"}, enable},
		{"a new password leaves the user disabled", m{disabledPrefix + PropertyPassword: "old"}, m{disabledPrefix + PropertyPassword: "new"}, setPassword("new")},
		{"delete the disabled", m{disabledPrefix + PropertyPassword: "old"}, m{}, remove},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := newFile(t, user("other", "r", "x"))
			mustEdit(t, path, WriteOptions{}, func(tx *Tx) error {
				for property, value := range c.before {
					if err := tx.Set(Record{"al", "r", property, []byte(value)}); err != nil {
						return err
					}
				}
				return nil
			})
			mustUpdate(t, path, "al", c.change)
			if diff := cmp.Diff(c.want, propertiesIn(t, path, "al")); diff != "" {
				t.Errorf("properties (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(m{PropertyPassword: "x"}, propertiesIn(t, path, "other")); diff != "" {
				t.Errorf("of another user (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUpdateRefuses: a change that cannot be stored leaves everything as it was.
func TestUpdateRefuses(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "one"))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]verifier.Secret{
		"long value": {Kind: verifier.KindPassword, Value: make([]byte, MaxValue+1)},
		"bad size":   {Kind: verifier.KindDIGESTMD5, Value: []byte("x")},
		"a check":    {Kind: verifier.KindCheck, Value: []byte("x")},
		"bad keys":   {Kind: verifier.KindSCRAMSHA1, Value: []byte("x")},
	} {
		err := Update(t.Context(), path, WriteOptions{}, request("al", "r"), func(e verifier.Entry) (verifier.Entry, error) {
			e.Secrets = []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte("two")}, s}
			return e, nil
		})
		if err == nil {
			t.Errorf("%s: stored", what)
		}
	}
	long := request(string(make([]byte, 2000)), "r")
	if err := Update(t.Context(), path, WriteOptions{}, long, setPassword("x")); err == nil {
		t.Error("a name with NUL is stored")
	}
	long.User = fmt.Sprintf("%02000d", 1)
	if err := Update(t.Context(), path, WriteOptions{}, long, setPassword("x")); err == nil {
		t.Error("a key that libdb would not find is stored")
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed (%v)", err)
	}
}

// TestUpdatesShareCommits makes many updates at the same time.
func TestUpdatesShareCommits(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "one"))
	db := openDB(t, path)
	const n = 64
	var all sync.WaitGroup
	failed := errors.New("no")
	for i := range n {
		all.Go(func() {
			name := fmt.Sprint("u", i)
			change, want := setPassword("pw"), error(nil)
			if i%8 == 7 {
				want = failed
				change = func(verifier.Entry) (verifier.Entry, error) { return verifier.Entry{}, failed }
			}
			if err := db.Update(t.Context(), request(name, "r"), change); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			if err := check(t, db, name, "pw"); (err == nil) != (want == nil) {
				t.Errorf("%s logs in: %v", name, err)
			}
		})
	}
	all.Wait()
	if got := db.Coverage().Users; got != n-n/8+1 {
		t.Errorf("%d users, want %d", got, n-n/8+1)
	}
}

// TestUpdatePanics: a panic in change is the caller's, and no one else's update is
// lost to it.
func TestUpdatePanics(t *testing.T) {
	t.Parallel()
	db := openDB(t, newFile(t, user("al", "r", "one")))
	func() {
		defer func() {
			if recover() != "mine" {
				t.Error("the panic does not come back")
			}
		}()
		db.Update(t.Context(), request("al", "r"), func(verifier.Entry) (verifier.Entry, error) { panic("mine") })
	}()
	if err := db.Update(t.Context(), request("bo", "r"), setPassword("x")); err != nil {
		t.Error(err)
	}
	if err := errors.Join(check(t, db, "al", "one"), check(t, db, "bo", "x")); err != nil {
		t.Error(err)
	}
}
