package daemon

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

// A handlerFunc is a Handler.
type handlerFunc func(context.Context, *Conn)

func (f handlerFunc) ServeConn(ctx context.Context, c *Conn) { f(ctx, c) }

// untilStopped reads until the connection ends.
func untilStopped(_ context.Context, c *Conn) { io.Copy(io.Discard, c) }

// A logBuffer keeps what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestServerMaxConns(t *testing.T) {
	t.Parallel()
	logged := &logBuffer{}
	r := startServer(t, &Server{Handler: dovecotOf(permissive(aliceStore())), MaxConns: 3, Logger: logged.logger()})
	var open []*dovecotClient
	for range 3 {
		open = append(open, dialDovecot(t, r.socket))
	}
	for range 5 {
		dialOnly(t, r.socket).want("end")
	}
	open[0].Close()
	eventually(t, "there is room", func() bool { return r.Conns() == 2 })
	dialDovecot(t, r.socket).ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	open[1].ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	if n := logged.count("closed at once"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// A scarceListener fails to accept.
type scarceListener struct {
	net.Listener
	err   error
	fails int64
	calls atomic.Int64
}

func (l *scarceListener) Accept() (net.Conn, error) {
	if n := l.calls.Add(1); n <= l.fails {
		return nil, &net.OpError{Op: "accept", Net: "unix", Err: os.NewSyscallError("accept4", l.err)}
	}
	return l.Listener.Accept()
}

// Without descriptors the server waits and tries again, ever more rarely.
func TestServerBacksOff(t *testing.T) {
	t.Parallel()
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		t.Run(e.Error(), func(t *testing.T) {
			t.Parallel()
			logged := &logBuffer{}
			l := &scarceListener{Listener: listenInTemp(t), err: e, fails: 5}
			begun := time.Now()
			r := startServerOn(t, &Server{Handler: dovecotOf(permissive(aliceStore())), Logger: logged.logger()}, l)
			dialDovecot(t, r.socket)
			if waited := time.Since(begun); waited < 31*firstPause {
				t.Errorf("5 failures were over after %v", waited)
			}
			if n := logged.count("no further connection"); n != 1 {
				t.Errorf("logged %d times", n)
			}
		})
	}
}

// While it waits it can be stopped.
func TestServerStopsWhileItBacksOff(t *testing.T) {
	t.Parallel()
	l := &scarceListener{Listener: listenInTemp(t), err: syscall.EMFILE, fails: 1 << 40}
	r := startServerOn(t, &Server{Handler: handlerFunc(untilStopped)}, l)
	eventually(t, "it waits for long", func() bool { return l.calls.Load() > 5 })
	r.stop(t)
}

// A listener that is broken ends the server, and what is under way has its time.
func TestServerBrokenListener(t *testing.T) {
	t.Parallel()
	l := &scarceListener{Listener: listenInTemp(t), err: syscall.EBADF, fails: 1}
	err := (&Server{Handler: handlerFunc(untilStopped)}).Serve(t.Context(), l)
	if !errors.Is(err, syscall.EBADF) || !strings.HasPrefix(err.Error(), "daemon: ") {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("unix", l.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

// A handler that panics ends its connection and nothing else, and says nothing of what
// it panicked with.
func TestServerPanic(t *testing.T) {
	t.Parallel()
	logged := &logBuffer{}
	r := startServer(t, &Server{Logger: logged.logger(), Handler: handlerFunc(func(context.Context, *Conn) { panic("hunter2") })})
	for range 3 {
		dialOnly(t, r.socket).want("end")
	}
	eventually(t, "it is logged", func() bool { return logged.count("panic of type string") == 3 })
	if logged.count("hunter2") > 0 {
		t.Error("the log has the value")
	}
}

// Deadlines of a handler do not undo that the connection should end.
func TestConnDeadlines(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*Conn){
		"SetReadDeadline": func(c *Conn) { c.SetReadDeadline(time.Time{}) },
		"SetDeadline":     func(c *Conn) { c.SetDeadline(time.Now().Add(time.Hour)) },
		"none":            func(*Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := net.Pipe()
			defer a.Close()
			defer b.Close()
			c := &Conn{Conn: a}
			set(c)
			go b.Write([]byte("x"))
			if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil || c.Stopping() {
				t.Fatalf("read %d, %v, %v", n, err, c.Stopping())
			}
			c.Stop()
			set(c)
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !c.Stopping() {
				t.Errorf("read: %v, %v", err, c.Stopping())
			}
			go io.Copy(io.Discard, b)
			if _, err := c.Write([]byte("x")); err != nil {
				t.Errorf("written: %v", err)
			}
		})
	}
}

// Who connected is known on Linux.
func TestConnPeer(t *testing.T) {
	t.Parallel()
	peers := make(chan Credentials, 1)
	r := startServer(t, &Server{Handler: handlerFunc(func(_ context.Context, c *Conn) { peers <- c.Peer() })})
	dialOnly(t, r.socket)
	if p := <-peers; p.Known && (p.PID != os.Getpid() || p.UID != os.Getuid() || p.GID != os.Getgid()) {
		t.Errorf("connected by %v", p)
	}
}

// When the server stops, idle connections end at once, and logins under way are
// finished: also those that take further steps.
func TestServerStopsGracefully(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := startServer(t, &Server{Handler: dovecotOf(permissive(g)), Grace: time.Hour})
	idle, busy, talking := dialDovecot(t, r.socket), dialDovecot(t, r.socket), dialDovecot(t, r.socket)
	idle.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	busy.say(authPlain(1, "slow", "secret"))
	g.await(t, 1)
	talking.ask("AUTH 1 LOGIN service=smtp", "CONT 1 VXNlcm5hbWU6")
	r.cancel()
	idle.want("end")
	talking.ask("CONT 1 YWxpY2U=", "CONT 1 UGFzc3dvcmQ6")
	talking.Write([]byte("CONT\t1\tc2Vj")) // not yet the whole line
	eventually(t, "the listener is closed", func() bool {
		c, err := net.Dial("unix", r.socket)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	talking.Write([]byte("cmV0\n"))
	talking.want("OK 1 user=alice@example.org", "end")
	select {
	case <-r.done:
		t.Fatal("Serve did not wait")
	default:
	}
	g.letThrough()
	busy.want("OK 1 user=slow@example.org", "end")
	r.wait(t)
}

// What is under way when there is no time left ends, and its store is told.
func TestServerGraceIsOver(t *testing.T) {
	t.Parallel()
	g, l := newGate(t), &ledger{}
	auth := permissive(g)
	auth.Guard = l
	r := startServer(t, &Server{Handler: dovecotOf(auth), Grace: 20 * time.Millisecond})
	busy, talking, partial := dialDovecot(t, r.socket), dialDovecot(t, r.socket), dialDovecot(t, r.socket)
	busy.say(authPlain(1, "slow", "secret"))
	g.await(t, 1)
	talking.ask("AUTH 1 LOGIN service=smtp", "CONT 1 VXNlcm5hbWU6")
	partial.Write([]byte("AUTH"))
	r.stop(t)
	busy.want("end")
	talking.want("end")
	if !l.settled() {
		t.Errorf("the guard counts %v", l.total())
	}
}

// A connection that is recycled ends when it is idle. No request is lost by that: what
// could be written is answered.
func TestServerRecycle(t *testing.T) {
	t.Parallel()
	r := startServer(t, &Server{Handler: dovecotOf(permissive(aliceStore()))})
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var answered, again atomic.Int64
	for range 4 {
		clients.Go(func() {
			c := dialDovecot(t, r.socket)
			for {
				select {
				case <-stop:
					return
				default:
				}
				c.SetDeadline(time.Now().Add(enough))
				if _, err := c.Write([]byte(tabs.Replace(authPlain(1, "alice", "secret")) + "\n")); err != nil {
					again.Add(1)
					c.Close()
					c = dialDovecot(t, r.socket)
					continue
				}
				if got := c.line(); got != "OK 1 user=alice@example.org" {
					t.Errorf("got %q", got)
					return
				}
				answered.Add(1)
			}
		})
	}
	for i := range int64(1000) {
		r.Recycle()
		eventually(t, "clients go on", func() bool { return answered.Load() > i })
	}
	close(stop)
	clients.Wait()
	if again.Load() == 0 {
		t.Error("no connection was recycled")
	}
	t.Logf("%d logins, %d connections ended", answered.Load(), again.Load())
}

// Clients that pipeline are not cut between their requests either.
func TestServerRecycleKeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := startServer(t, &Server{Handler: dovecotOf(permissive(g))})
	c := dialDovecot(t, r.socket)
	c.say(authPlain(1, "slow", "secret"))
	g.await(t, 1)
	c.ask("AUTH 2 LOGIN service=smtp", "CONT 2 VXNlcm5hbWU6")
	r.Recycle()
	c.ask("CONT 2 YWxpY2U=", "CONT 2 UGFzc3dvcmQ6")
	r.Recycle()
	c.ask("CONT 2 c2VjcmV0", "OK 2 user=alice@example.org")
	c.ask(authPlain(3, "alice", "secret"), "OK 3 user=alice@example.org")
	g.letThrough()
	c.want("OK 1 user=slow@example.org", "end")
}

var _ verifier.Guard = (*ledger)(nil)

// On TCP an idle connection ends at once too.
func TestServerTCP(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := startServerOn(t, &Server{Handler: dovecotOf(permissive(aliceStore())), Grace: time.Hour}, l)
	dial := func() *dovecotClient {
		nc, err := net.Dial("tcp", r.socket)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(enough))
		c := &dovecotClient{Conn: nc, t: t, lines: bufio.NewReader(nc)}
		for c.line() != "DONE" {
		}
		return c
	}
	idle, talking := dial(), dial()
	idle.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	talking.ask("AUTH 1 LOGIN service=smtp resp=YWxpY2U=", "CONT 1 UGFzc3dvcmQ6")
	r.Recycle()
	idle.want("end")
	talking.ask("CONT 1 c2VjcmV0", "OK 1 user=alice@example.org")
	talking.want("end")
}
