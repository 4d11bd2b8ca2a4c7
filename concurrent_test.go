package saslkit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
)

// TestManyPeers logs in from many goroutines through one Authenticator while its
// database is replaced again and again. Whose password stays is never refused, and
// nobody gets in with a wrong one.
func TestManyPeers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sasldb2")
	write := func(generation int) error {
		next := fmt.Sprintf("%s.%d", path, generation)
		records := []sasldb.Record{{Authid: "changing", Realm: testRealm, Property: sasldb.PropertyPassword, Value: fmt.Append(nil, generation)}}
		for i := range 50 {
			name := fmt.Sprintf("user%d", i)
			records = append(records, sasldb.Record{Authid: name, Realm: testRealm, Property: sasldb.PropertyPassword, Value: []byte(password(name))})
		}
		if err := sasldb.Create(next, records); err != nil {
			return err
		}
		return os.Rename(next, path)
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	db, err := sasldb.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &saslkit.Authenticator{Verifier: db, Policy: anything, Mechanisms: withSecrets}
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 30 {
				name := fmt.Sprintf("user%d", (worker*30+i)%50)
				c := saslkittest.Client{
					Mechanism: withSecrets[i%len(withSecrets)], Realm: realm.Policy{Default: testRealm},
					Credentials: saslkit.Credentials{Username: name, Password: password(name)},
				}
				if r, err := c.Login(a); err != nil || r.User != name {
					t.Errorf("%s, %s: %+v, %v", name, c.Mechanism, r, err)
				}
				c.Credentials.Password += "x"
				_, err := c.Login(a)
				var e *saslkit.Error
				if !errors.As(err, &e) || e.Class != mech.BadCredentials {
					t.Errorf("%s, %s, wrong password: %v", name, c.Mechanism, err)
				}
			}
		})
	}
	for generation := 1; generation <= 40; generation++ {
		if err := write(generation); err != nil {
			t.Error(err)
			break
		}
		for g, want := range map[int]bool{generation: true, generation - 1: false} {
			r := verifier.Request{User: "changing", Realm: testRealm}
			if _, err := db.VerifyPassword(t.Context(), r, fmt.Sprint(g)); (err == nil) != want {
				t.Errorf("generation %d, password %d: %v", generation, g, err)
			}
		}
	}
	wg.Wait()
}
