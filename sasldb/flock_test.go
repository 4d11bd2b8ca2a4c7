//go:build unix

package sasldb

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, b := open(), open()
	try := func(f *os.File, how lockMode, want bool) {
		t.Helper()
		if got, err := tryLock(f, how); got != want || err != nil {
			t.Errorf("lock %v: %v, %v; want %v", how, got, err, want)
		}
	}
	try(a, shared, true)
	try(b, shared, true)
	try(b, exclusive, false)
	if err := unlock(a); err != nil {
		t.Error(err)
	}
	try(b, exclusive, true)
	try(a, shared, false)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	try(a, shared, true)
	if _, err := tryLock(b, shared); err == nil {
		t.Error("a closed file is locked")
	}
}
