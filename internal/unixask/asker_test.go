package unixask

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
)

var cures = Cures{Denied: "the right group?", Absent: "does it run?", Stale: "has it ended?"}

// asker asks a socket, and waits for the default timeout at most.
func asker(t testing.TB, socket string, limit int) *Asker {
	t.Helper()
	a, err := New(Options{Daemon: "testd", Socket: socket, Limit: limit, Cures: cures})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// line asks for the line that ends the answer.
func line(ctx context.Context, a *Asker) (string, error) {
	answer, err := a.Ask(ctx, []byte("who?\n"), make([]byte, 64), func(b []byte) bool { return b[len(b)-1] == '\n' })
	return string(answer), err
}

// impatient gives a context that ends when somebody begins to wait for its end.
func impatient(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return &impatience{ctx, cancel}
}

type impatience struct {
	context.Context
	cancel context.CancelFunc
}

func (i *impatience) Done() <-chan struct{} {
	i.cancel()
	return i.Context.Done()
}

// me answers.
func me(conn net.Conn) {
	b := make([]byte, 5)
	if _, err := io.ReadFull(conn, b); err == nil && string(b) == "who?\n" {
		io.WriteString(conn, "me\n")
	}
	asktest.Gone(conn)
}

func TestNew(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("x", MaxPath)
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"nothing", Options{}, `testd: socket "": no path is given`},
		{"long path", Options{Socket: long}, `bytes, and the system takes no more than`},
		{"abstract", Options{Socket: "@mux"}, `testd: socket "@mux": not the path of a file`},
		{"NUL", Options{Socket: "/mux\x00"}, `not the path of a file`},
		{"limit", Options{Socket: "/mux", Limit: -1}, `testd: socket "/mux": a limit of -1 requests`},
		{"timeout", Options{Socket: "/mux", Timeout: -time.Second}, `testd: socket "/mux": a timeout of -1s`},
		{"path that fits", Options{Socket: long[:MaxPath]}, ""},
		{"not there", Options{Socket: "/nonexistent/mux"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Daemon = "testd"
			a, err := New(c.o)
			switch {
			case c.want == "" && (err != nil || a == nil):
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// The system agrees with MaxPath.
func TestMaxPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for extra, fits := range map[int]bool{0: true, 1: false} {
		path := filepath.Join(dir, strings.Repeat("x", max(1, MaxPath-len(dir)-1+extra)))
		if len(path) != MaxPath+extra {
			t.Skip("the folder has a long name")
		}
		l, err := net.Listen("unix", path)
		if (err == nil) != fits {
			t.Errorf("%d bytes: %v", len(path), err)
		}
		if err == nil {
			l.Close()
		}
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for socket, want := range map[string]string{
		"/run/saslauthd/mux": "/run/saslauthd", "/mux": "/", "mux": ".", "/run/other": "/run/other", "/run/mux2": "/run/mux2",
	} {
		if got := asker(t, socket, 1).Place("mux"); filepath.ToSlash(got) != want {
			t.Errorf("%s: %s, want %s", socket, got, want)
		}
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	d := asktest.Start(t, "s", me)
	a := asker(t, d.Socket, 0)
	for range 3 {
		if answer, err := line(t.Context(), a); answer != "me\n" || err != nil {
			t.Errorf("%q, %v", answer, err)
		}
	}
	d.Script(func(conn net.Conn) {
		io.WriteString(conn, "half")
		conn.(*net.UnixConn).CloseWrite()
		asktest.Gone(conn)
	})
	if answer, err := line(t.Context(), a); answer != "half" || err != nil {
		t.Errorf("closed: %q, %v", answer, err)
	}
	d.Script(func(conn net.Conn) { io.WriteString(conn, strings.Repeat("x", 1000)); asktest.Gone(conn) })
	if answer, err := line(t.Context(), a); len(answer) != 64 || err != nil {
		t.Errorf("more than the buffer holds: %q, %v", answer, err)
	}
	// The question may lie where the answer goes.
	d.Script(me)
	buf := make([]byte, 64)
	answer, err := a.Ask(t.Context(), append(buf[:0], "who?\n"...), buf, func(b []byte) bool { return len(b) == 3 })
	if string(answer) != "me\n" || err != nil {
		t.Errorf("one buffer: %q, %v", answer, err)
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	d := asktest.Start(t, "s", asktest.Gone)
	file := filepath.Join(filepath.Dir(d.Socket), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	stale := asktest.Start(t, "s", me)
	stale.Kill()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name   string
		socket string
		ctx    context.Context
		is     error
		want   string // behind the path
	}{
		{"absent", d.Socket + "2", t.Context(), syscall.ENOENT, "connect: no such file or directory (does it run?)"},
		{"in a file", file + "/s", t.Context(), syscall.ENOTDIR, "connect: not a directory (does it run?)"},
		{"stale", stale.Socket, t.Context(), syscall.ECONNREFUSED, "connect: connection refused (has it ended?)"},
		{"no socket", file, t.Context(), syscall.ECONNREFUSED, "connect: connection refused (has it ended?)"},
		{"cancelled", d.Socket, canceled, context.Canceled, "not asked: context canceled"},
		{"hangs", d.Socket, impatient(t), context.Canceled, "no answer: context canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, err := line(c.ctx, asker(t, c.socket, 0))
			if err == nil || err.Error() != "testd: "+c.socket+": "+c.want || !errors.Is(err, c.is) || answer != "" {
				t.Errorf("%q, %v, want %q", answer, err, c.want)
			}
		})
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	d := asktest.Start(t, "s", me)
	if err := os.Chmod(filepath.Dir(d.Socket), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Dir(d.Socket), 0o700)
	a := asker(t, d.Socket, 0)
	nobody.Do(func() {
		_, err := line(t.Context(), a)
		if !errors.Is(err, syscall.EACCES) || !strings.HasSuffix(err.Error(), ": connect: permission denied (the right group?)") {
			t.Error(err)
		}
	})
}

// A timeout counts where the context has none, and where it has a longer one.
func TestTimeout(t *testing.T) {
	t.Parallel()
	d := asktest.Start(t, "s", asktest.Gone)
	a, err := New(Options{Daemon: "testd", Socket: d.Socket, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	hour, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for _, ctx := range []context.Context{context.Background(), hour} {
		if _, err := line(ctx, a); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
}

// Who waits for a turn waits within his context.
func TestLimit(t *testing.T) {
	t.Parallel()
	d := asktest.Start(t, "s", asktest.Gone)
	a := asker(t, d.Socket, 2)
	hanging, release := context.WithCancel(t.Context())
	var under sync.WaitGroup
	for range 2 {
		under.Go(func() { line(hanging, a) })
	}
	asktest.Until(t, "two are under way", func() bool { return d.Connections() == 2 })
	_, err := line(impatient(t), a)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not asked, for 2 requests are under way") {
		t.Error(err)
	}
	d.Script(me)
	release()
	if answer, err := line(t.Context(), a); answer != "me\n" || err != nil {
		t.Errorf("after the others: %q, %v", answer, err)
	}
	under.Wait()
}
