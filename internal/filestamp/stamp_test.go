//go:build unix

package filestamp

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) Stamp {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return of(t, path)
}

func of(t *testing.T, path string) Stamp {
	t.Helper()
	s, err := Of(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStamp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	first := write(t, path, "one")
	if again := of(t, path); again != first {
		t.Error("the same file has another stamp")
	}
	if first.Size() != 3 {
		t.Errorf("size %d", first.Size())
	}
	longer := write(t, path, "four")
	if longer == first || !longer.SameFile(first) {
		t.Error("in place: not another stamp of the same file")
	}
	other := write(t, path+".new", "four")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if now := of(t, path); now == longer || now.SameFile(longer) || !now.SameFile(other) {
		t.Error("replaced: not the stamp of the other file")
	}
	if err := os.Symlink(path, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if of(t, filepath.Join(dir, "link")) != of(t, path) {
		t.Error("a link is not followed")
	}
}

// TestUnlinked: a file that loses its name changes its stamp and not its content.
func TestUnlinked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	before := write(t, path, "one")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if after := OfInfo(info); !after.SameFile(before) || after.Content() != before.Content() {
		t.Error("not the same content")
	}
	if _, err := Of(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestSettled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	s := write(t, path, "one")
	for age, want := range map[time.Duration]bool{-time.Hour: false, 0: false, SettleTime: false, SettleTime + 1: true, time.Hour: true} {
		if got := s.Settled(s.Modified().Add(age)); got != want {
			t.Errorf("settled at the age of %v: %v", age, got)
		}
	}
	// A time of modification that was set back is not believed: the change counts.
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if back := of(t, path); back.Modified().Before(s.Modified()) {
		t.Errorf("modified %v after the time was set back", back.Modified())
	}
}
