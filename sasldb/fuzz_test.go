//go:build unix

package sasldb

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/bdb"
	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/filestamp"
	"github.com/saslkit/saslkit/verifier"
)

// FuzzOpenDB opens arbitrary bytes as a file: they are refused with one of our
// errors, or every record that Read lists counts for logins just as a plain reading
// of the rules says.
func FuzzOpenDB(f *testing.F) {
	for _, name := range []string{"bdb-one-user.db", "bdb-other-properties.db", "bdb-foreign-keys.db", "bdb-page-512.db", "bad-cycle.db", "bdb-btree.db",
		"gdbm-one-user.db", "gdbm-200-users-block512.db", "lmdb-one-user.db", "lmdb-value-sizes.db"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(everyProperty(f))
	path := filepath.Join(f.TempDir(), "sasldb2")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var settled testClock // else damage would be waited for
		settled.advance(filestamp.SettleTime * 2)
		db, err := newDB(path, Options{}, settled.clock())
		l, readErr := parse(path, data)
		if err != nil {
			if db != nil || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFormat) {
				t.Fatalf("Open: %v", err)
			}
			if readErr == nil && l.Damage == nil {
				t.Fatalf("Open says %v, Read lists %d records", err, len(l.Records))
			}
			return
		}
		defer db.Close()
		if readErr != nil || l.Damage != nil {
			t.Fatalf("Open accepts what Read says of: %v %v", readErr, l.Damage)
		}
		checkAgainst(t, db, usersIn(l.Records))
	})
}

// everyProperty is a file with small pages and users of all sorts.
func everyProperty(f *testing.F) []byte {
	var records []dbm.Record
	for i, property := range append(slices.Clone(loginProperties), "colour") {
		value := bytes.Repeat([]byte{'s'}, 16*(1+i%2))
		if property == propertySCRAM {
			value = []byte(sha1Keys)
		}
		for _, key := range []string{"al\x00r\x00" + property, "bo\x00\x00" + disabledPrefix + property, property + "\x00s\x00" + property} {
			records = append(records, dbm.Record{Key: []byte(key), Value: value})
		}
	}
	data, err := bdb.Build(records, bdb.Options{Layout: bdb.Layout{PageSize: 512}})
	if err != nil {
		f.Fatal(err)
	}
	return data
}

type nameOf struct{ user, realm string }

// usersIn sorts records by user, as the writer sees them.
func usersIn(records []Record) map[nameOf]keyring {
	sorted := map[nameOf][]Record{}
	for _, r := range records {
		if r.Authid != "" {
			name := nameOf{r.Authid, r.Realm}
			sorted[name] = append(sorted[name], r)
		}
	}
	users := map[nameOf]keyring{}
	for name, records := range sorted {
		users[name] = keyringOf(records)
	}
	return users
}

func checkAgainst(t *testing.T, db *DB, users map[nameOf]keyring) {
	var kinds []verifier.Kinds
	realms := map[string]bool{}
	for name, h := range users {
		var has verifier.Kinds
		want := map[verifier.Kind][]byte{}
		for _, s := range h.entry(verifier.Account{}).Secrets {
			want[s.Kind] = s.Value
		}
		_, password := h.secrets[PropertyPassword]
		for kind := range verifier.AllKinds.All() {
			if password && kind.IsSCRAM() {
				delete(want, kind)
			}
			if checkKind(t, db, name, h.disabled, kind, want[kind]) {
				has |= verifier.KindsOf(kind)
				if kind.IsSCRAM() {
					has |= verifier.KindsOf(verifier.KindCheck)
				}
			}
		}
		if !h.disabled {
			kinds = append(kinds, has)
			realms[name.realm] = true
		}
	}
	want := verifier.Measured(kinds, slices.Sorted(maps.Keys(realms)))
	want.Stores = want.Some & db.Coverage().Stores // not LMDB
	if diff := cmp.Diff(want, db.Coverage()); diff != "" {
		t.Fatalf("coverage (-want +got):\n%s", diff)
	}
}

// checkKind looks one secret up and reports whether there should be one.
func checkKind(t *testing.T, db *DB, name nameOf, disabled bool, kind verifier.Kind, want []byte) bool {
	s, err := db.LookupSecret(t.Context(), request(name.user, name.realm), kind)
	wantErr := error(nil)
	switch {
	case want == nil:
		wantErr = verifier.ErrNoSecret
	case disabled:
		wantErr = verifier.ErrDisabled
	}
	if !bytes.Equal(s.Value, want) || !errors.Is(err, wantErr) {
		t.Fatalf("%q: %v: %d bytes, %v; want %d, %v", name, kind, len(s.Value), err, len(want), wantErr)
	}
	return want != nil
}
