//go:build unix

package sasldb

import (
	"bytes"
	"errors"
	"hash/maphash"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/lmdb"
	"github.com/saslkit/saslkit/verifier"
)

// gdbmLike begins as a GDBM file does, which is enough for its lock.
func gdbmLike(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sasldb2")
	if err := os.WriteFile(path, append([]byte("\xcf\x9a\x57\x13"), make([]byte, 1000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// writerOf locks a file as libgdbm does for writing.
func writerOf(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if held, err := tryLock(f, exclusive); !held || err != nil {
		t.Fatalf("locked by somebody, %v", err)
	}
	return f
}

func TestGDBMIsReadUnderItsLock(t *testing.T) {
	t.Parallel()
	path := gdbmLike(t)
	s, err := openSource(path, wallClock)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if data, err := s.read(); err != nil || len(data) != 1004 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	writer := writerOf(t, path) // although the source is still open
	if _, err := Read(path); !errors.Is(err, ErrBusy) {
		t.Errorf("while it is written to: %v", err)
	}
	if _, err := s.digest(maphash.MakeSeed()); !errors.Is(err, ErrBusy) {
		t.Errorf("looking for changes while it is written to: %v", err)
	}
	if err := unlock(writer); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || errors.Is(err, ErrBusy) {
		t.Errorf("when the writer is gone: %v", err)
	}
	// A file that grew while the lock was awaited is read as it is then.
	if err := os.WriteFile(path, append([]byte("\xcf\x9a\x57\x13"), make([]byte, 2000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := s.read(); err != nil || len(data) != 2004 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// TestBusyIsUnavailable: a login waits for the lock, and is not refused in the end.
func TestBusyIsUnavailable(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "one"))
	db := openDB(t, path)
	gdbm := gdbmLike(t)
	writerOf(t, gdbm)
	if err := os.Rename(gdbm, path); err != nil {
		t.Fatal(err)
	}
	err := check(t, db, "al", "one")
	if !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, ErrBusy) || verifier.Refused(err) {
		t.Error(err)
	}
}

// TestDigest: in pieces it is that of the whole.
func TestDigest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	seed := maphash.MakeSeed()
	for _, size := range []int{0, 1, 31, 1 << 16, 1<<16 + 1, 200_000} {
		data := bytes.Repeat([]byte("0123456789\n"), size/11+1)[:size]
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSource(path, wallClock)
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := s.digest(seed); err != nil || sum != maphash.Bytes(seed, data) {
			t.Errorf("%d bytes: %v, or another digest", size, err)
		}
		s.Close()
	}
}

// TestChangedWhileItIsRead: a file that is written to is damage for a moment, as is
// one that becomes shorter, which is not an error of the system and not zeros.
func TestChangedWhileItIsRead(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "one"))
	s, err := openSource(path, wallClock)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, before, before); err != nil { // as writing does
		t.Fatal(err)
	}
	if data, err := s.read(); data == nil || !errors.Is(err, ErrDamaged) {
		t.Errorf("changed: %d bytes, %v", len(data), err)
	}
	if err := os.Truncate(path, 5000); err != nil {
		t.Fatal(err)
	}
	if data, err := s.read(); data != nil || !errors.Is(err, ErrDamaged) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := s.digest(maphash.MakeSeed()); !errors.Is(err, ErrDamaged) {
		t.Errorf("digest: %v", err)
	}
}

// TestLMDBIsReadBesideItsWriters: what they do to other pages does not matter, two
// transactions do.
func TestLMDBIsReadBesideItsWriters(t *testing.T) {
	t.Parallel()
	sound, err := lmdb.Build([]dbm.Record{{Key: []byte("al\x00r\x00" + PropertyPassword), Value: []byte("one")}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sasldb2")
	for _, c := range []struct {
		name  string
		write func(f *os.File) error
		err   error
	}{
		{"nothing", func(*os.File) error { return nil }, nil},
		{"a page behind", func(f *os.File) error { _, err := f.WriteAt([]byte{1}, int64(len(sound))); return err }, nil},
		{"the metadata", func(f *os.File) error { _, err := f.WriteAt(bytes.Repeat([]byte{1}, 8192), 0); return err }, ErrDamaged},
		{"the end of the file", func(f *os.File) error { return f.Truncate(100) }, ErrDamaged},
		{"its name", func(*os.File) error { return os.Rename(gdbmLike(t), path) }, ErrDamaged},
	} {
		if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, sound, 0o600)); err != nil {
			t.Fatal(err)
		}
		s, err := openSource(path, wallClock)
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.read()
		if err != nil || s.format != LMDB {
			t.Fatal(s.format, err)
		}
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.write(w); err != nil {
			t.Fatal(err)
		}
		if err := s.stateOf(data); !errors.Is(err, c.err) {
			t.Errorf("%s was changed: %v, want %v", c.name, err, c.err)
		}
		w.Close()
		s.Close()
	}
}

// TestReadWhileReplaced: a file that others replace all the time is read at the first
// try, for whatever was opened is whole.
func TestReadWhileReplaced(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "one"))
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				replace(t, path, user("al", "r", "two"))
			}
		}
	})
	for range 2000 {
		s, err := openSource(path, wallClock)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.read(); err != nil {
			t.Error(err)
		}
		s.Close()
	}
	close(stop)
	writer.Wait()
}
