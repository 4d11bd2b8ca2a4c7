package sasldb

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// keysRecord is authPassword for a password.
func keysRecord(t *testing.T, user string, h scram.Hash, password string, iterations int) Record {
	t.Helper()
	r, err := scram.New(t.Context(), h, password, []byte("a salt of "+user), iterations)
	if err != nil {
		t.Fatal(err)
	}
	text, err := verifier.FormatSCRAM(verifier.Secret{Kind: verifier.KindSCRAMSHA1 + verifier.Kind(h), Value: r.Pack()}, verifier.SCRAMRecord)
	if err != nil {
		t.Fatal(err)
	}
	return Record{Authid: user, Realm: "r", Property: propertySCRAM, Value: []byte(text)}
}

func openRecords(t *testing.T, records ...Record) *DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sasldb2")
	if err := Create(path, records); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func of(user string) verifier.Request {
	return verifier.Request{User: user, Realm: "r", Service: "smtp"}
}

// TestCheckByKeys: passwords are checked by SCRAM keys where there is nothing else.
func TestCheckByKeys(t *testing.T) {
	t.Parallel()
	db := openRecords(t,
		keysRecord(t, "alice", scram.SHA256, "secret", 4096), keysRecord(t, "bob", scram.SHA1, "bob's own", 4096), keysRecord(t, "carol", scram.SHA512, "carol's own", 10_000),
		Record{Authid: "dave", Realm: "r", Property: PropertyPassword, Value: []byte("dave's own")},
		Record{Authid: "dave", Realm: "r", Property: propertySCRAM, Value: keysRecord(t, "dave", scram.SHA256, "an old one", 4096).Value},
	)
	if err := verifiertest.TestVerifier(db,
		verifiertest.User{Name: "alice", Realm: "r", Password: "secret"}, verifiertest.User{Name: "bob", Realm: "r", Password: "bob's own"},
		verifiertest.User{Name: "carol", Realm: "r", Password: "carol's own"}, verifiertest.User{Name: "dave", Realm: "r", Password: "dave's own"},
	); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		user, password string
		want           error
	}{
		{"alice", "secret", nil},
		{"alice", "secreT", verifier.ErrWrongPassword},
		{"carol", "carol's own", nil},
		{"dave", "an old one", verifier.ErrWrongPassword},
		{"eve", "secret", verifier.ErrNoUser},
	} {
		a, err := db.VerifyPassword(t.Context(), of(c.user), c.password)
		if !errors.Is(err, c.want) || (err == nil) != (a.User == c.user) {
			t.Errorf("%s: %+v, %v; want %v", c.user, a, err, c.want)
		}
	}
	if c := db.Coverage(); !c.All.Has(verifier.KindCheck) {
		t.Errorf("coverage %v", c.All)
	}
	err := db.Update(t.Context(), of("alice"), func(e verifier.Entry) (verifier.Entry, error) {
		e.Disabled = true
		return e, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]error{"secret": verifier.ErrDisabled, "wrong": verifier.ErrWrongPassword} {
		if _, err := db.VerifyPassword(t.Context(), of("alice"), password); !errors.Is(err, want) {
			t.Errorf("disabled: %v, want %v", err, want)
		}
	}
}

// TestDecoyCosts: an unknown user costs what most users cost, and nobody's password is
// that of the decoy.
func TestDecoyCosts(t *testing.T) {
	t.Parallel()
	password := func(user string) Record {
		return Record{Authid: user, Realm: "r", Property: PropertyPassword, Value: []byte("pw")}
	}
	keys := func(user string, h scram.Hash, iterations int) Record {
		return keysRecord(t, user, h, "secret", iterations)
	}
	for _, c := range []struct {
		name    string
		records []Record
		want    cost
	}{
		{"nobody", nil, cost{kind: verifier.KindPassword}},
		{"passwords", []Record{password("a"), password("b"), keys("c", scram.SHA256, 4096)}, cost{kind: verifier.KindPassword}},
		{"keys", []Record{password("a"), keys("b", scram.SHA256, 5000), keys("c", scram.SHA256, 5000)}, cost{verifier.KindSCRAMSHA256, 5000, 4 + 64 + 11}},
		{"more iterations", []Record{keys("a", scram.SHA1, 4096), keys("b", scram.SHA1, 5000), keys("c", scram.SHA1, 5000)}, cost{verifier.KindSCRAMSHA1, 5000, 4 + 40 + 11}},
		{"who serves no login", []Record{{Authid: "a", Realm: "r", Property: "other"}, {Authid: "b", Realm: "r", Property: "other"}, keys("c", scram.SHA1, 4096)}, cost{verifier.KindSCRAMSHA1, 4096, 4 + 40 + 11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := openRecords(t, c.records...).decoy()
			if got := costOf(d.Kind, d.Value); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if match, err := d.Matches(t.Context(), of("a"), "secret"); match || err != nil {
				t.Errorf("the decoy matches: %v, %v", match, err)
			}
		})
	}
}

// TestManyChecks: what waits for its turn ends with its context, and the others are
// answered.
func TestManyChecks(t *testing.T) {
	t.Parallel()
	db := openRecords(t, keysRecord(t, "alice", scram.SHA256, "secret", 4096))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for db.checks.Enter(ctx) == nil { // until all places are taken
	}
	_, err := db.matches(ctx, db.decoy(), of("alice"), "secret")
	if !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("without a place: %v", err)
	}
	db.checks.Leave()
	if _, err := db.VerifyPassword(t.Context(), of("alice"), "secret"); err != nil {
		t.Errorf("with a place: %v", err)
	}
}
