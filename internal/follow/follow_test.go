package follow

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saslkit/saslkit/internal/filestamp"
)

var errNoEnd = errors.New("no end")

// A said is what the files of these tests say: a line, which must have its end.
type said struct{ line string }

func parseLine(text []byte) (*said, error) {
	line, ok := strings.CutSuffix(string(text), "\n")
	if !ok {
		return nil, errNoEnd
	}
	return &said{line}, nil
}

// A testClock stands still but for those who sleep, during whose sleep something may
// be done.
type testClock struct {
	ahead  atomic.Int64 // of started
	during func()
	slept  int
}

var started = time.Now()

func (c *testClock) clock() clock {
	return clock{
		now: func() time.Time { return started.Add(time.Duration(c.ahead.Load())) },
		sleep: func(d time.Duration) {
			c.slept++
			c.ahead.Add(int64(d))
			if c.during != nil {
				c.during()
			}
		},
	}
}

// settle makes the stamps of all files there are old.
func (c *testClock) settle() { c.ahead.Store(int64(time.Since(started) + 2*filestamp.SettleTime)) }

func newFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, text)
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, path string, c *testClock) *File[*said] {
	t.Helper()
	f, err := open(path, 100, parseLine, c.clock())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func says(t *testing.T, f *File[*said], want string) {
	t.Helper()
	if got, err := f.Now(t.Context()); err != nil || got.line != want {
		t.Errorf("%+v, %v, want %q", got, err, want)
	}
}

func TestFollows(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path, text string){"replaced": replace, "in place": write} {
		for age, old := range map[string]bool{"settled": true, "young": false} {
			t.Run(name+", "+age, func(t *testing.T) {
				t.Parallel()
				path, c := newFile(t, "one\n"), new(testClock)
				if old {
					c.settle()
				}
				f := opened(t, path, c)
				first := f.Last()
				says(t, f, "one")
				before, err := f.Version(t.Context())
				if f.Last() != first || err != nil {
					t.Error("the same content has another value", err)
				}
				change(t, path, "two\n")
				says(t, f, "two")
				says(t, f, "two")
				if got := f.Last().line; got != "two" {
					t.Errorf("last is %q", got)
				}
				if after, err := f.Version(t.Context()); after != before+1 || err != nil {
					t.Errorf("version %d after %d, %v", after, before, err)
				}
			})
		}
	}
}

// TestSettled: an old stamp spares the reading.
func TestSettled(t *testing.T) {
	t.Parallel()
	path, c := newFile(t, "one\n"), new(testClock)
	f := opened(t, path, c)
	for range 3 {
		says(t, f, "one")
	}
	if n := f.looks.Begun(); n != 3 {
		t.Errorf("%d readings for 3 calls while the file is young", n)
	}
	c.settle()
	for range 3 {
		says(t, f, "one")
	}
	if n := f.looks.Begun(); n != 4 {
		t.Errorf("%d readings for 3 calls when it is not, want one", n-3)
	}
}

// TestTrouble: what cannot be read or says nonsense is an error as long as it lasts.
func TestTrouble(t *testing.T) {
	t.Parallel()
	path, c := newFile(t, "one\n"), new(testClock)
	c.settle()
	f := opened(t, path, c)
	for _, tt := range []struct {
		name  string
		spoil func() error
		want  error
	}{
		{"removed", func() error { return os.Remove(path) }, fs.ErrNotExist},
		{"truncated", func() error { return os.WriteFile(path, []byte("on"), 0o600) }, errNoEnd},
		{"a folder", func() error { os.Remove(path); return os.Mkdir(path, 0o700) }, nil},
		{"too long", func() error { os.Remove(path); return os.WriteFile(path, make([]byte, 101), 0o600) }, nil},
	} {
		if err := tt.spoil(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := f.Now(t.Context())
			if got != nil || err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %+v, %v", tt.name, got, err)
			}
		}
		os.Remove(path)
		write(t, path, "one\n")
		says(t, f, "one")
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, path := range map[string]string{
		"missing": filepath.Join(dir, "missing"), "folder": dir, "nonsense": newFile(t, "x"), "device": os.DevNull,
	} {
		if f, err := Open(path, 100, parseLine); f != nil || err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	path := newFile(t, "one\n")
	if err := os.Symlink(path, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	f := opened(t, filepath.Join(dir, "link"), new(testClock))
	replace(t, path, "two\n")
	says(t, f, "two")
}

// TestTorn: an editor that writes in place is given time to finish.
func TestTorn(t *testing.T) {
	t.Parallel()
	path, c := newFile(t, "one\n"), new(testClock)
	f := opened(t, path, c)
	c.during = func() {
		if c.slept == 2 {
			write(t, path, "whole\n")
		}
	}
	write(t, path, "who")
	says(t, f, "whole")

	// What looks whole may be half of it.
	c.during = func() {
		if c.slept == 1 {
			write(t, path, "three\n")
		}
	}
	c.slept = 0
	c.ahead.Store(int64(time.Since(started)))
	write(t, path, "thr\n")
	says(t, f, "three")

	// But not for ever.
	c.during = func() { write(t, path, "never whole") }
	c.slept = 0
	write(t, path, "never")
	if _, err := f.Now(t.Context()); !errors.Is(err, errNoEnd) || c.slept > 2*tornTries*tornTries {
		t.Errorf("%v after %d pauses", err, c.slept)
	}
}

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := opened(t, newFile(t, "one\n"), new(testClock))
		ctx, cancel := context.WithCancel(t.Context())
		release := f.looks.Hold()
		done := make(chan error)
		go func() {
			_, err := f.Now(ctx)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		release()
		if _, err := f.Now(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
