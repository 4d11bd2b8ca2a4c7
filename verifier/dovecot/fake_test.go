package dovecot

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/verifier"
)

// patience is for what must happen; only a test that hangs waits for so long.
const patience = 3 * time.Minute

const greeting = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t17\nCUID\t1\nCOOKIE\t0123\nDONE\n"

// A fake is a server of the protocol that does what a test wants.
type fake struct {
	greeting string
	// auth answers a request; it may be called by several connections at once. The
	// default is to look in users.
	auth func(c *fakeConn, a dovecotauth.Auth)
	// version is called when the client has said its own, unless nil.
	version func(c *fakeConn)
	// accepted is called instead of everything else, unless nil.
	accepted func(net.Conn)
	users    map[string]string // name to password
	cut      int               // bytes in each write; 0 for all at once

	listener net.Listener
	runs     sync.WaitGroup

	mu       sync.Mutex
	conns    map[*fakeConn]bool
	stopped  bool
	dials    int
	requests []dovecotauth.Auth
	cancels  []uint32
}

type fakeConn struct {
	net.Conn
	f  *fake
	mu sync.Mutex
}

// socketIn returns the address of a unix socket as Options.Socket wants it.
func socketIn(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "s")
	if len(path) > 100 { // sockaddr_un
		t.Skipf("missing peer: a short enough TMPDIR for a unix socket, not %s", path)
	}
	return path
}

// start listens on a new socket until the test ends.
func (f *fake) start(t testing.TB) string {
	t.Helper()
	socket := socketIn(t)
	f.startAt(t, socket)
	return socket
}

func (f *fake) startAt(t testing.TB, socket string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	f.serve(l)
	t.Cleanup(f.stop)
}

func (f *fake) serve(l net.Listener) {
	if f.greeting == "" {
		f.greeting = greeting
	}
	f.listener, f.conns = l, make(map[*fakeConn]bool)
	f.runs.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c := &fakeConn{Conn: nc, f: f}
			f.mu.Lock()
			f.dials++
			f.conns[c] = true
			if f.stopped { // since it was accepted
				nc.Close()
			}
			f.mu.Unlock()
			f.runs.Go(func() {
				defer nc.Close()
				c.serve()
				f.mu.Lock()
				delete(f.conns, c)
				f.mu.Unlock()
			})
		}
	})
}

// stop closes all and waits.
func (f *fake) stop() {
	f.listener.Close()
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	f.disconnect()
	f.runs.Wait()
}

// disconnect closes the connections.
func (f *fake) disconnect() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.Close()
	}
}

func (f *fake) count() (dials, open, requests int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials, len(f.conns), len(f.requests)
}

func (c *fakeConn) serve() {
	if c.f.accepted != nil {
		c.f.accepted(c.Conn)
		return
	}
	c.say(c.f.greeting)
	lines := dovecotauth.NewReader(c)
	for {
		line, err := lines.Line()
		if err != nil {
			return
		}
		m, err := dovecotauth.ParseClient(line)
		if err != nil {
			return
		}
		c.f.mu.Lock()
		switch m := m.(type) {
		case dovecotauth.Auth:
			c.f.requests = append(c.f.requests, m)
		case dovecotauth.Cancel:
			c.f.cancels = append(c.f.cancels, m.ID)
		}
		c.f.mu.Unlock()
		if _, ok := m.(dovecotauth.Version); ok && c.f.version != nil {
			c.f.version(c)
		}
		if a, ok := m.(dovecotauth.Auth); ok {
			if c.f.auth != nil {
				c.f.auth(c, a)
			} else {
				c.check(a)
			}
		}
	}
}

func (c *fakeConn) say(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(text) > 0 {
		n := len(text)
		if c.f.cut > 0 {
			n = min(n, c.f.cut)
		}
		c.Write([]byte(text[:n]))
		text = text[n:]
	}
}

func (c *fakeConn) reply(m dovecotauth.Message) {
	line, err := m.Append(nil)
	if err != nil {
		panic(err)
	}
	c.say(string(line))
}

// check answers from users, in lower case as Dovecot does.
func (c *fakeConn) check(a dovecotauth.Auth) {
	name, password := credentials(a)
	if right, ok := c.f.users[name]; ok && right == password {
		c.reply(dovecotauth.OK{ID: a.ID, Params: dovecotauth.Params{"user=" + strings.ToLower(name)}})
		return
	}
	c.reply(dovecotauth.Fail{ID: a.ID, Params: dovecotauth.Params{"user=" + strings.ReplaceAll(name, "\x00", "")}})
}

func credentials(a dovecotauth.Auth) (name, password string) {
	message, err := a.InitialResponse(dovecotauth.Minor)
	parts := bytes.Split(message, []byte{0})
	if err != nil || len(parts) != 3 || len(parts[0]) > 0 {
		return "", ""
	}
	return string(parts[1]), string(parts[2])
}

// newClient returns a client that is closed at the end.
func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func request(user, realm string) verifier.Request {
	return verifier.Request{User: user, Realm: realm, Service: "smtp", Mechanism: "PLAIN"}
}

// within returns a context for what must happen.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// wait waits for a condition.
func wait(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buffer := make([]byte, 1<<20)
			t.Fatalf("no end of waiting for: %s\n%s", what, buffer[:runtime.Stack(buffer, true)])
		}
	}
}
