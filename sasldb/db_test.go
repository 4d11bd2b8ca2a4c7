//go:build unix

package sasldb

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func openDB(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestConformance(t *testing.T) {
	path := newFile(t,
		user("alice", "example.com", "pencil"), user("bob", "example.com", "crayon"),
		user("alice", "example.org", "eraser"), user("frédéric", "example.com", "pässwörd"))
	err := verifiertest.TestVerifier(openDB(t, path),
		verifiertest.User{Name: "alice", Realm: "example.com", Password: "pencil"},
		verifiertest.User{Name: "bob", Realm: "example.com", Password: "crayon"},
		verifiertest.User{Name: "alice", Realm: "example.org", Password: "eraser"},
		verifiertest.User{Name: "frédéric", Realm: "example.com", Password: "pässwörd"})
	if err != nil {
		t.Error(err)
	}
}

func request(user, realm string) verifier.Request {
	return verifier.Request{User: user, Realm: realm, Service: "smtp"}
}

// TestOldSecrets: the properties that Cyrus SASL 1.5 left behind serve CRAM-MD5
// and DIGEST-MD5.
func TestOldSecrets(t *testing.T) {
	cram, digest := mech.CRAMMD5Secret("pw"), mech.DIGESTMD5Secret("carol", "r", "pw")
	var cyrus []byte // inner state first, big-endian words
	for _, half := range [][]byte{cram[16:], cram[:16]} {
		for i := 0; i < len(half); i += 4 {
			cyrus = append(cyrus, half[i+3], half[i+2], half[i+1], half[i])
		}
	}
	db := openDB(t, newFile(t,
		Record{Authid: "carol", Realm: "r", Property: propertyCRAMMD5, Value: cyrus},
		Record{Authid: "carol", Realm: "r", Property: propertyDIGESTMD5, Value: digest},
		Record{Authid: "dave", Realm: "r", Property: propertyDIGESTMD5, Value: digest[1:]}))
	for kind, want := range map[verifier.Kind][]byte{verifier.KindCRAMMD5: cram, verifier.KindDIGESTMD5: digest} {
		got, err := db.LookupSecret(t.Context(), request("carol", "r"), verifier.KindPassword, kind)
		if err != nil || got.Kind != kind || !bytes.Equal(got.Value, want) {
			t.Errorf("%v: %v, %v; want what the password makes", kind, got.Kind, err)
		}
	}
	for _, name := range []string{"carol", "dave"} {
		if _, err := db.LookupSecret(t.Context(), request(name, "r"), verifier.KindPassword); !errors.Is(err, verifier.ErrNoSecret) {
			t.Errorf("%s has no password: %v", name, err)
		}
	}
	want := verifier.Coverage{
		Some:  verifier.KindsOf(verifier.KindCRAMMD5, verifier.KindDIGESTMD5),
		Users: 2, Realms: []string{"r"}, Stores: db.Coverage().Stores,
		Counts: map[verifier.Kinds]int{verifier.KindsOf(verifier.KindCRAMMD5, verifier.KindDIGESTMD5): 1, 0: 1},
	}
	if diff := cmp.Diff(want, db.Coverage()); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
	other := openDB(t, "testdata/bdb-other-properties.db")
	if _, err := other.LookupSecret(t.Context(), request("erin", "example.com"), verifier.KindPassword); !errors.Is(err, verifier.ErrNoSecret) {
		t.Errorf("a user with foreign properties only: %v", err)
	}
}

// replace puts a new file in the place of an old one, as our own writer will.
func replace(t *testing.T, path string, records ...Record) {
	t.Helper()
	next := newFile(t, records...)
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, db *DB, name, password string) error {
	t.Helper()
	_, err := db.VerifyPassword(t.Context(), request(name, "r"), password)
	return err
}

func TestFollowsTheFile(t *testing.T) {
	path := newFile(t, user("al", "r", "one"))
	db := openDB(t, path)
	if err := check(t, db, "al", "one"); err != nil {
		t.Fatal(err)
	}
	replace(t, path, user("al", "r", "two"), user("bo", "r", "x"))
	if err := check(t, db, "al", "one"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("old password: %v", err)
	}
	if err := check(t, db, "al", "two"); err != nil {
		t.Errorf("new password: %v", err)
	}
	if got := db.Coverage().Users; got != 2 {
		t.Errorf("coverage counts %d users, want 2", got)
	}
	// In place, same size, same stamp but for the change time: what libdb does.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(newFile(t, user("al", "r", "TWO"), user("bo", "r", "x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := check(t, db, "al", "two"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("after a change that kept size and modification time: %v", err)
	}
	replace(t, path, user("bo", "r", "x"))
	if err := check(t, db, "al", "TWO"); !errors.Is(err, verifier.ErrNoUser) {
		t.Errorf("deleted user: %v", err)
	}
}

// A testClock is ahead of the real one, and does not sleep.
type testClock struct {
	ahead  atomic.Int64
	asleep func() // what happens in a pause, nil for nothing
	pauses atomic.Int64
}

func (c *testClock) clock() clock {
	return clock{
		now: func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) },
		sleep: func(time.Duration) {
			c.pauses.Add(1)
			if c.asleep != nil {
				c.asleep()
			}
		},
	}
}

func (c *testClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// openClocked opens a DB that goes by a testClock.
func openClocked(t testing.TB, path string, o Options) (*DB, *testClock) {
	t.Helper()
	c := new(testClock)
	db, err := newDB(path, o, c.clock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, c
}

// TestYoungStamp: within the granularity of time stamps the content decides, and
// an old stamp saves the reading.
func TestYoungStamp(t *testing.T) {
	path := newFile(t, user("al", "r", "one"))
	db, c := openClocked(t, path, Options{})
	for range 3 {
		before := db.looks.Begun()
		if err := check(t, db, "al", "one"); err != nil || db.looks.Begun() != before+1 {
			t.Errorf("%v, %d looks while the stamp is young, want 1 for each login", err, db.looks.Begun()-before)
		}
	}
	c.advance(time.Minute)
	if err := check(t, db, "al", "one"); err != nil {
		t.Fatal(err)
	}
	before := db.looks.Begun()
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := db.fresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 { // the path for the system call
		t.Errorf("%v allocations for a look at the stamp", allocs)
	}
	if db.looks.Begun() != before {
		t.Error("the content is looked at although the stamp is old")
	}
}

func TestTroubleIsUnavailable(t *testing.T) {
	for what, spoil := range map[string]func(path string) error{
		"missing":   os.Remove,
		"truncated": func(p string) error { return os.Truncate(p, 5000) },
		"empty":     func(p string) error { return os.Truncate(p, 0) },
		"directory": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
		"fifo":      func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) },
		"garbage":   func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("x"), 8192), 0o600) },
		"sparse":    func(p string) error { return os.Truncate(p, MaxFile+1) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := newFile(t, user("al", "r", "one"))
			db := openDB(t, path)
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"al", "nobody"} {
				err := check(t, db, name, "one")
				if !errors.Is(err, verifier.ErrUnavailable) || verifier.Refused(err) {
					t.Errorf("%s: %v, want ErrUnavailable", name, err)
				}
				if err != nil && !strings.Contains(err.Error(), path) {
					t.Errorf("%v does not name the file", err)
				}
			}
			if _, err := Open(path); err == nil {
				t.Error("Open succeeds")
			}
			// It comes back by itself.
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			replace(t, path, user("al", "r", "two"))
			if err := check(t, db, "al", "two"); err != nil {
				t.Errorf("after the repair: %v", err)
			}
		})
	}
}
