package sasldb

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/saslkit/saslkit/verifier"
)

// TestGDBMChangedOnTmpfs: GDBM changes a mapping of the file, of which tmpfs tells nothing.
func TestGDBMChangedOnTmpfs(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/dev/shm", "sasldb-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "sasldb2")
	from := newFile(t, user("al", "r", "one"))
	if _, err := Convert(t.Context(), from, path, ConvertOptions{Format: GDBM}); err != nil {
		t.Fatal(err)
	}
	db, c := openClocked(t, path, Options{})
	c.advance(time.Hour)
	if err := check(t, db, "al", "one"); err != nil {
		t.Fatal(err)
	}
	before := stampOrFail(t, path)
	changeMapped(t, path, "one", "two")
	if stampOrFail(t, path) != before {
		t.Skip("/dev/shm gives new times")
	}
	if err := check(t, db, "al", "one"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}
	if err := check(t, db, "al", "two"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// changeMapped changes bytes of a file through a mapping.
func changeMapped(t *testing.T, path, from, to string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(data)
	at := bytes.Index(data, []byte(from))
	if at < 0 {
		t.Fatalf("no %q in the file", from)
	}
	copy(data[at:], to)
}
