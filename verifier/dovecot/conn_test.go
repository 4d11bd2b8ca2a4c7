package dovecot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/verifier"
)

// Ten thousand at once, of whom a hundred wait at the server, which answers the last
// first: everybody gets his own answer.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const checks, limit = 10_000, 100
	var mu sync.Mutex
	var held []dovecotauth.Auth
	most := 0
	f := &fake{}
	f.auth = func(c *fakeConn, a dovecotauth.Auth) {
		mu.Lock()
		defer mu.Unlock()
		held = append(held, a)
		most = max(most, len(held))
		if len(held) < limit {
			return // checks is a multiple of limit
		}
		for len(held) > 0 {
			last := held[len(held)-1]
			held = held[:len(held)-1] // before the answer lets the next one in
			name, password := credentials(last)
			if "of "+name == password {
				c.reply(dovecotauth.OK{ID: last.ID, Params: dovecotauth.Params{"user=" + name}})
			} else {
				c.reply(dovecotauth.Fail{ID: last.ID})
			}
		}
	}
	c := newClient(t, Options{Socket: f.start(t), Limit: limit})
	ctx := within(t)
	var all sync.WaitGroup
	for i := range checks {
		all.Go(func() {
			name, password := fmt.Sprint("user", i), fmt.Sprint("of user", i-i%2) // the odd are wrong
			a, err := c.VerifyPassword(ctx, request(name, ""), password)
			switch {
			case i%2 == 0 && (err != nil || a.User != name):
				t.Errorf("%s: %v, %v", name, a, err)
			case i%2 == 1 && !errors.Is(err, verifier.ErrWrongPassword):
				t.Errorf("%s with a wrong password: %v, %v", name, a, err)
			}
		})
	}
	all.Wait()
	dials, _, requests := f.count()
	if dials != 1 || requests != checks || most > limit {
		t.Errorf("%d connections, %d requests, at most %d outstanding; want 1, %d, %d", dials, requests, most, checks, limit)
	}
}

// Who finds all requests in flight taken waits for one to end, or for his own context.
func TestLimit(t *testing.T) {
	t.Parallel()
	f := &fake{auth: func(*fakeConn, dovecotauth.Auth) {}}
	c := newClient(t, Options{Socket: f.start(t), Limit: 1})
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error)
	go func() {
		_, err := c.VerifyPassword(ctx, request("alice", ""), "secret")
		done <- err
	}()
	wait(t, "the request", func() bool { _, _, requests := f.count(); return requests == 1 })
	short, end := context.WithTimeout(context.Background(), time.Millisecond)
	defer end()
	if _, err := c.VerifyPassword(short, request("bob", ""), "secret"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}
	if _, _, requests := f.count(); requests != 1 {
		t.Errorf("%d requests", requests)
	}
	cancel()
	if err := <-done; !errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}
}

// How connections end, and that the next check opens a new one.
func TestConnectionEnds(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(net.Conn){
		"at once":              func(net.Conn) {},
		"within the handshake": func(c net.Conn) { io.WriteString(c, "VERSION\t1\t2\nMECH\tPLAIN\n") },
		"within a line of it":  func(c net.Conn) { io.WriteString(c, "VERSION\t1\t2\nMECH\tPL") },
		"after the handshake":  func(c net.Conn) { io.WriteString(c, greeting) },
		"after the request":    func(c net.Conn) { io.WriteString(c, greeting); readRequest(c) },
		"within the answer":    func(c net.Conn) { io.WriteString(c, greeting); readRequest(c); io.WriteString(c, "OK\t1\tuser=alice") },
		"with another answer": func(c net.Conn) {
			io.WriteString(c, greeting)
			readRequest(c)
			io.WriteString(c, "OK\t2\tuser=alice\n")
		},
		"with garbage": func(c net.Conn) {
			io.WriteString(c, greeting)
			io.WriteString(c, "\x00\xff\x01\n")
			io.Copy(io.Discard, c)
		},
		"with a line that has no end": func(c net.Conn) { io.WriteString(c, greeting+strings.Repeat("x", 20000)); io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{users: map[string]string{"alice": "secret"}}
			var broken atomic.Bool
			broken.Store(true)
			f.accepted = func(nc net.Conn) {
				if broken.Load() {
					script(nc)
					return
				}
				whole := &fakeConn{Conn: nc, f: &fake{greeting: greeting, users: f.users}}
				whole.serve()
			}
			c := newClient(t, Options{Socket: f.start(t)})
			for range 3 {
				a, err := c.VerifyPassword(within(t), request("alice", ""), "secret")
				if !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || a.User != "" {
					t.Fatalf("%v, %v", a, err)
				}
			}
			broken.Store(false)
			if a, err := c.VerifyPassword(within(t), request("alice", ""), "secret"); err != nil || a.User != "alice" {
				t.Errorf("afterwards: %v, %v", a, err)
			}
		})
	}
}

// A server that says nothing, such as that of another protocol.
func TestNoGreeting(t *testing.T) {
	t.Parallel()
	f := &fake{accepted: func(c net.Conn) { io.Copy(io.Discard, c) }}
	c := newClient(t, Options{Socket: f.start(t)})
	c.handshake = 20 * time.Millisecond // from connecting on, which may have taken them
	if _, err := c.VerifyPassword(within(t), request("alice", ""), "secret"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go func() {
		io.ReadFull(theirs, make([]byte, len("VERSION\t1\t0\nCPID\t1\n"))) // and does not answer
		ours.SetReadDeadline(time.Unix(1, 0))
		io.Copy(io.Discard, theirs)
	}()
	if _, err := shakeHands(ours); !errors.Is(err, errSilent) {
		t.Error(err)
	}
}

// readRequest reads what a client says up to a request.
func readRequest(c net.Conn) {
	lines := dovecotauth.NewReader(c)
	for {
		line, err := lines.Line()
		if err != nil || strings.HasPrefix(string(line), "AUTH\t") {
			return
		}
	}
}

// A server that has closed the idle connection is asked again on a new one, once, and
// one that closes it for the request is not asked for ever.
func TestIdleConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		poisoned string // the user for whom the server closes the connection
	}{
		{"restarted", ""},
		{"closed for the request", "bob"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{users: map[string]string{"alice": "secret", "bob": "secret"}}
			closed := false
			f.auth = func(fc *fakeConn, a dovecotauth.Auth) {
				name, _ := credentials(a)
				if name == c.poisoned || name == "bob" && !closed {
					closed = true
					fc.Close()
					return
				}
				fc.check(a)
			}
			v := newClient(t, Options{Socket: f.start(t)})
			if _, err := v.VerifyPassword(within(t), request("alice", ""), "secret"); err != nil {
				t.Fatal(err)
			}
			a, err := v.VerifyPassword(within(t), request("bob", ""), "secret")
			if c.poisoned == "" && (err != nil || a.User != "bob") || c.poisoned != "" && !errors.Is(err, verifier.ErrUnavailable) {
				t.Errorf("%v, %v", a, err)
			}
			if dials, _, requests := f.count(); dials != 2 || requests != 3 {
				t.Errorf("%d connections, %d requests, want 2 and 3", dials, requests)
			}
		})
	}
}

// Whatever was in flight beside others is not asked again.
func TestInFlightFailsWithConnection(t *testing.T) {
	t.Parallel()
	f := &fake{auth: func(*fakeConn, dovecotauth.Auth) {}}
	c := newClient(t, Options{Socket: f.start(t)})
	const callers = 20
	errs := make(chan error)
	for range callers {
		go func() {
			_, err := c.VerifyPassword(within(t), request("alice", ""), "secret")
			errs <- err
		}()
	}
	wait(t, "all requests", func() bool { _, _, requests := f.count(); return requests == callers })
	f.disconnect()
	for range callers {
		if err := <-errs; !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
	if dials, _, _ := f.count(); dials != 1 {
		t.Errorf("%d connections", dials)
	}
}

// Restarts under load: nobody is refused, and it goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	users := map[string]string{"alice": "secret"}
	c := newClient(t, Options{Socket: socket, Limit: 8})
	ctx, stop := context.WithCancel(within(t))
	defer stop()
	var yes, unavailable atomic.Int64
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for ctx.Err() == nil {
				_, err := c.VerifyPassword(context.Background(), request("alice", ""), "secret")
				switch {
				case err == nil:
					yes.Add(1)
				case errors.Is(err, verifier.ErrUnavailable):
					unavailable.Add(1)
					runtime.Gosched()
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 {
		f := &fake{users: users}
		f.startAt(t, socket)
		before := yes.Load()
		wait(t, "successes", func() bool { return yes.Load() > before+100 })
		f.stop()
		before = unavailable.Load()
		wait(t, "failures", func() bool { return unavailable.Load() > before+100 })
	}
	stop()
	callers.Wait()
}

// All who come while there is no connection wait for one attempt.
func TestOneDial(t *testing.T) {
	t.Parallel()
	f := &fake{greeting: "VERSION\t1\t2\n", users: map[string]string{"alice": "secret"}}
	release := make(chan struct{})
	f.version = func(c *fakeConn) {
		<-release
		c.say(strings.TrimPrefix(greeting, "VERSION\t1\t2\n"))
	}
	c := newClient(t, Options{Socket: f.start(t)})
	ctx := within(t)
	errs := make(chan error)
	const callers = 50
	for range callers {
		go func() {
			_, err := c.VerifyPassword(ctx, request("alice", ""), "secret")
			errs <- err
		}()
	}
	wait(t, "the connection", func() bool { dials, _, _ := f.count(); return dials == 1 })
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := c.VerifyPassword(short, request("alice", ""), "secret"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("within a short time: %v", err)
	}
	close(release)
	for range callers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if dials, _, _ := f.count(); dials != 1 {
		t.Errorf("%d connections", dials)
	}
}

// A server that does not read: its clients leave in time, and memory stays bounded.
func TestServerDoesNotRead(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	f := &fake{accepted: func(c net.Conn) {
		io.WriteString(c, greeting)
		<-leave
	}}
	c := newClient(t, Options{Socket: f.start(t)})
	defer close(leave)
	long := strings.Repeat("x", 4096)
	full := false
	for range 20_000 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Microsecond)
		_, err := c.VerifyPassword(ctx, request("alice", ""), long)
		cancel()
		if !errors.Is(err, verifier.ErrUnavailable) {
			t.Fatal(err)
		}
		if full = full || errors.Is(err, errFull); full {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return // the machine is so slow that no check came to send
	}
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	if n := len(c.conn.queue); n > maxQueue+maxRequest {
		t.Errorf("%d bytes wait to be sent", n)
	}
}

// Ids begin again without 0 and without those that somebody waits for.
func TestIDs(t *testing.T) {
	t.Parallel()
	c := newConn(nil, nil, 2)
	q, err := newQuestion(request("alice", ""), "secret")
	if err != nil {
		t.Fatal(err)
	}
	next := func() uint32 {
		id, _, err := c.send(q)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for want := uint32(1); want <= 3; want++ {
		if got := next(); got != want {
			t.Errorf("id %d, want %d", got, want)
		}
	}
	c.cancel(2)
	c.last = math.MaxUint32 - 1
	for _, want := range []uint32{math.MaxUint32, 2, 4} {
		if got := next(); got != want {
			t.Errorf("id %d, want %d", got, want)
		}
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	silent := func(c net.Conn) { io.Copy(io.Discard, c) }
	unanswered := func(c net.Conn) { io.WriteString(c, greeting); io.Copy(io.Discard, c) }
	for name, script := range map[string]func(net.Conn){"in the handshake": silent, "in a request": unanswered} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{accepted: script}
			c := newClient(t, Options{Socket: f.start(t)})
			done := make(chan error)
			go func() {
				_, err := c.VerifyPassword(within(t), request("alice", ""), "secret")
				done <- err
			}()
			wait(t, "the connection", func() bool { _, open, _ := f.count(); return open == 1 })
			for range 2 {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := <-done; !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, errClosed) {
				t.Error(err)
			}
			if _, err := c.VerifyPassword(within(t), request("alice", ""), "secret"); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, errClosed) {
				t.Errorf("afterwards: %v", err)
			}
			wait(t, "connections closed", func() bool { _, open, _ := f.count(); return open == 0 })
		})
	}
	t.Run("before any check", func(t *testing.T) {
		t.Parallel()
		newClient(t, Options{Socket: "/nowhere"})
	})
}

// Over TCP it is the same.
func TestTCP(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{users: map[string]string{"alice": "secret"}}
	f.serve(l)
	t.Cleanup(f.stop)
	c := newClient(t, Options{Socket: "inet:" + l.Addr().String()})
	if a, err := c.VerifyPassword(within(t), request("alice", ""), "secret"); err != nil || a.User != "alice" {
		t.Errorf("%v, %v", a, err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Socket: socketIn(t)})
	_, err := c.VerifyPassword(within(t), request("alice", ""), "secret")
	if !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "does Dovecot run") {
		t.Error(err)
	}
}

// Every way in which checks and connections end, again and again: no goroutine and no
// file descriptor stays. It does not run beside other tests, which have their own.
func TestNothingIsLeft(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for i := range rounds {
		f := &fake{users: map[string]string{"alice": "secret"}}
		if i%4 == 1 {
			f.accepted = func(c net.Conn) { io.WriteString(c, greeting[:i%len(greeting)]) }
		}
		if i%4 == 2 {
			f.auth = func(*fakeConn, dovecotauth.Auth) {}
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f.serve(l)
		c, err := New(Options{Socket: "inet:" + l.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*10*time.Microsecond)
		for range 2 {
			if _, err := c.VerifyPassword(ctx, request("alice", ""), "secret"); err != nil && !errors.Is(err, verifier.ErrUnavailable) {
				t.Error(err)
			}
		}
		cancel()
		if i%8 > 4 {
			f.stop()
			c.Close()
		} else {
			c.Close()
			f.stop()
		}
	}
	wait(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if files >= 0 {
		wait(t, "files to be closed", func() bool { return openFiles(t) <= files })
	}
}

// openFiles counts file descriptors, -1 where that cannot be told.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries)
}

func BenchmarkVerifyPassword(b *testing.B) {
	f := &fake{users: map[string]string{"alice": "secret"}}
	c := newClient(b, Options{Socket: f.start(b)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.VerifyPassword(b.Context(), request("alice", ""), "secret"); err != nil {
			b.Fatal(err)
		}
	}
}
