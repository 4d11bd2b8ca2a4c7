//go:build unix

package sasldb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/verifier"
)

// TestCoverageSaysWhatCanBeStored: OTP is offered by it, since a login writes.
func TestCoverageSaysWhatCanBeStored(t *testing.T) {
	t.Parallel()
	otp := verifier.KindsOf(verifier.KindOTP)
	create := func(t *testing.T, f Format) string {
		path := filepath.Join(t.TempDir(), "sasldb2")
		mustEdit(t, path, WriteOptions{Create: true, Format: f}, func(tx *Tx) error {
			return tx.Set(Record{"al", "r", propertyOTP, verifier.Decoy(verifier.KindOTP).Value})
		})
		return path
	}
	stores := func(t *testing.T, path string, want verifier.Kinds) *DB {
		t.Helper()
		db, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if c := db.Coverage(); c.Some != otp || c.Stores != want {
			t.Errorf("some have %v and %v is stored, want %v", c.Some, c.Stores, want)
		}
		return db
	}
	for _, f := range []Format{BerkeleyDB, GDBM} {
		path := create(t, f)
		db := stores(t, path, otp)
		again, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, again, 0o600) // the same content
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.LookupSecret(context.Background(), verifier.Request{User: "al", Realm: "r"}, verifier.KindOTP); err != nil {
			t.Error(err)
		}
		if c := db.Coverage(); c.Stores != otp {
			t.Errorf("%v, written again: %v is stored", f, c.Stores)
		}
		converted := filepath.Join(t.TempDir(), "lmdb")
		if _, err := Convert(t.Context(), path, converted, ConvertOptions{Format: LMDB}); err != nil {
			t.Fatal(err)
		}
		stores(t, converted, 0)
	}
	path := create(t, BerkeleyDB)
	folder := filepath.Dir(path)
	if err := errors.Join(os.Chmod(path, 0o666), os.Chmod(filepath.Dir(folder), 0o711), os.Chmod(folder, 0o555)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(folder, 0o755) })
	nobody.Do(func() { stores(t, path, 0) })
}
