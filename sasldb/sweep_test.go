//go:build unix

package sasldb

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestSweep: what a writer that died has left goes with the next change, also when
// it had been given to the owner of the database already. A temporary file that
// somebody holds stays, and so does everything else.
func TestSweep(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "pw"))
	folder := filepath.Dir(path)
	put := func(name string) *os.File {
		f, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	put(".sasldb2.saslkit-0123456789abcdef")
	given := put(".sasldb2.saslkit-00000000deadbeef")
	if os.Getuid() == 0 {
		for _, name := range []string{path, given.Name()} {
			if err := os.Chown(name, 12345, 54321); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(".sasldb3.saslkit-0123456789abcdef")
	if held, err := tryLock(put(".sasldb2.saslkit-fedcba9876543210"), exclusive); !held || err != nil {
		t.Fatal(err)
	}
	mustEdit(t, path, WriteOptions{}, addNewcomer)
	left := leftBeside(t, path)
	if want := []string{".sasldb2.saslkit-fedcba9876543210", ".sasldb3.saslkit-0123456789abcdef"}; !slices.Equal(left, want) {
		t.Errorf("left in the folder: %q, want %q", left, want)
	}
}
