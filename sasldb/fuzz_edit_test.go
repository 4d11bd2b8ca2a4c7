//go:build unix

package sasldb

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzEdit adds a user to any bytes that are taken for a database. Either the error
// is typed and nothing was touched, or the new file holds what the old one held and
// the user, and nothing is wrong with it.
func FuzzEdit(f *testing.F) {
	for _, name := range []string{"bdb-one-user.db", "bdb-foreign-keys.db", "bdb-page-512.db", "bdb-checksummed.db", "bdb-dups-allowed.db", "bad-cycle.db", "bad-zero-length.db",
		"gdbm-one-user.db", "gdbm-numsync-empty.db", "lmdb-one-user.db"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "sasldb2")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		before, readErr := Read(path)
		err := Edit(t.Context(), path, WriteOptions{}, func(tx *Tx) error {
			return tx.Set(user("fuzz", "example.com", "pw"))
		})
		after, err2 := os.ReadFile(path)
		if err2 != nil {
			t.Fatal(err2)
		}
		if err != nil {
			if !bytes.Equal(after, data) {
				t.Errorf("%v, yet the file was changed", err)
			}
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotWritable) && !errors.Is(err, ErrRecord) {
				t.Errorf("an error of no kind: %v", err)
			}
			leftOnly(t, filepath.Dir(path), "sasldb2")
			return
		}
		if len(data) > 0 && (readErr != nil || before.Damage != nil) {
			t.Fatalf("changed, although %v %v", readErr, before.Damage)
		}
		checkEdited(t, path, before)
		leftOnly(t, filepath.Dir(path), "sasldb2")
	})
}

// checkEdited compares a file with what it held before the user was added.
func checkEdited(t *testing.T, path string, before Listing) {
	t.Helper()
	l, err := Read(path)
	if err != nil || l.Damage != nil || l.Foreign != before.Foreign {
		t.Fatalf("%v, %v, %d foreign records of %d", err, l.Damage, l.Foreign, before.Foreign)
	}
	want := recordMap(t, before.Records)
	want["fuzz\x00example.com\x00"+PropertyPassword] = []byte("pw")
	got := recordMap(t, l.Records)
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	for key, value := range want {
		if !bytes.Equal(got[key], value) {
			t.Errorf("record %q: %q, want %q", key, got[key], value)
		}
	}
	if faults, _, err := Verify(path); err != nil || faults != nil {
		t.Errorf("verify: %v, %v", faults, err)
	}
}
