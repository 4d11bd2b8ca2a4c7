package daemon

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// enough is for what must happen; only a test that hangs waits for so long.
const enough = 3 * time.Minute

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(enough); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buffer := make([]byte, 1<<20)
			t.Fatalf("no end of waiting for: %s\n%s", what, buffer[:runtime.Stack(buffer, true)])
		}
	}
}

// everything is a policy that permits every mechanism.
var everything = mech.Policy{Clear: mech.AnyMechanism, TLS: mech.AnyMechanism}

// allMechanisms are those that a Memory can serve, in an order of this test's own.
var allMechanisms = []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1", "EXTERNAL", "ANONYMOUS"}

// aliceStore has alice of example.org, whose password is secret, and friends.
func aliceStore() *verifiertest.Memory {
	return verifiertest.NewMemory(
		verifiertest.User{Name: "alice", Realm: "example.org", Password: "secret"},
		verifiertest.User{Name: "locked", Realm: "example.org", Password: "secret", Disabled: true},
		verifiertest.User{Name: "old", Realm: "example.org", Password: "secret", Expired: true},
		verifiertest.User{Name: "a\u00adb", Realm: "example.org", Password: "secret"},
	)
}

// permissive serves all mechanisms of a store.
func permissive(v verifier.Verifier) *saslkit.Authenticator {
	return &saslkit.Authenticator{Verifier: v, Mechanisms: allMechanisms, Policy: everything}
}

// siteOf serves example.org.
func siteOf(auth *saslkit.Authenticator) *Site {
	return &Site{Auth: auth, Realm: realm.Policy{Default: "example.org"}}
}

func dovecotOf(auth *saslkit.Authenticator) *Dovecot {
	return &Dovecot{Current: NewCurrent(siteOf(auth))}
}

// A running is a Server in a test.
type running struct {
	*Server
	socket string
	cancel context.CancelFunc
	done   chan struct{} // closed when Serve has returned
	err    error
}

// stop stops the server and waits for it.
func (r *running) stop(t testing.TB) {
	t.Helper()
	r.cancel()
	r.wait(t)
	if r.err != nil {
		t.Errorf("Serve: %v", r.err)
	}
	if n := r.Conns(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func (r *running) wait(t testing.TB) {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(enough):
		buffer := make([]byte, 1<<20)
		t.Fatalf("Serve does not return\n%s", buffer[:runtime.Stack(buffer, true)])
	}
}

// listenInTemp listens on a unix socket in a folder of the test.
func listenInTemp(t testing.TB) net.Listener {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	if len(path) > maxPath {
		t.Skipf("missing peer: a short enough TMPDIR for a unix socket, not %s", path)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// startServer serves on a unix socket until the test ends.
func startServer(t testing.TB, s *Server) *running { return startServerOn(t, s, listenInTemp(t)) }

func startServerOn(t testing.TB, s *Server, l net.Listener) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Server: s, socket: l.Addr().String(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = s.Serve(ctx, l)
	}()
	t.Cleanup(func() { r.stop(t) })
	return r
}

// serveAuth serves an Authenticator with little grace.
func serveAuth(t testing.TB, auth *saslkit.Authenticator) *running {
	t.Helper()
	return startServer(t, &Server{Handler: dovecotOf(auth), Grace: time.Millisecond})
}

// A dovecotClient speaks the protocol, with spaces in the place of TABs.
type dovecotClient struct {
	net.Conn
	t     testing.TB
	lines *bufio.Reader
}

// dialDovecot connects and reads the greeting.
func dialDovecot(t testing.TB, socket string) *dovecotClient {
	t.Helper()
	c := dialOnly(t, socket)
	for c.line() != "DONE" {
	}
	return c
}

func dialOnly(t testing.TB, socket string) *dovecotClient {
	t.Helper()
	nc, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(enough))
	return &dovecotClient{Conn: nc, t: t, lines: bufio.NewReader(nc)}
}

var (
	tabs   = strings.NewReplacer(" ", "\t")
	spaces = strings.NewReplacer("\t", " ")
)

// say writes lines, all at once.
func (c *dovecotClient) say(lines ...string) {
	c.t.Helper()
	if _, err := c.Write([]byte(tabs.Replace(strings.Join(lines, "\n") + "\n"))); err != nil {
		c.t.Fatal(err)
	}
}

// line reads a line. At the end of the connection it is "end".
func (c *dovecotClient) line() string {
	c.t.Helper()
	line, err := c.lines.ReadString('\n')
	if err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			c.t.Fatal("no line comes")
		}
		return line + "end"
	}
	return spaces.Replace(strings.TrimSuffix(line, "\n"))
}

// want reads lines and compares them.
func (c *dovecotClient) want(lines ...string) {
	c.t.Helper()
	for _, want := range lines {
		if got := c.line(); got != want {
			c.t.Fatalf("got the line %q, want %q", got, want)
		}
	}
}

// ask says a line and compares the answer.
func (c *dovecotClient) ask(line, want string) {
	c.t.Helper()
	c.say(line)
	c.want(want)
}

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// plainMessage is the message of PLAIN.
func plainMessage(user, password string) string { return encoded("\x00" + user + "\x00" + password) }

// authPlain is a request.
func authPlain(id int, user, password string) string {
	return fmt.Sprintf("AUTH %d PLAIN service=smtp nologin lip=127.0.0.1 rip=192.0.2.1 resp=%s", id, plainMessage(user, password))
}

// decodedMessage undoes base64.
func decodedMessage(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newExchange is a client's side of a login.
func newExchange(t testing.TB, mechanism, user, password string) (x *saslkit.ClientExchange, initial []byte) {
	t.Helper()
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: user, Password: password, Realm: "example.org"},
		Mechanisms:  []string{mechanism}, Offered: []string{mechanism}, Policy: everything, Service: "smtp", Host: "mail.example.org",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, initial, err = x.Start()
	if err != nil {
		t.Fatal(err)
	}
	return x, initial
}

// login logs in as a mail client behind Postfix would, and returns the last line. The
// parameters begin with a space unless there are none.
func (c *dovecotClient) login(id int, mechanism, parameters, user, password string) string {
	c.t.Helper()
	x, initial := newExchange(c.t, mechanism, user, password)
	line := fmt.Sprintf("AUTH %d %s service=smtp%s", id, mechanism, parameters)
	if initial != nil {
		line += " resp=" + dovecotauth.Encode(initial)
	}
	c.say(line)
	for {
		answer := c.line()
		challenge, more := strings.CutPrefix(answer, fmt.Sprintf("CONT %d ", id))
		if !more {
			return answer
		}
		response, err := x.Next(decodedMessage(c.t, challenge))
		if err != nil {
			return err.Error()
		}
		c.say(fmt.Sprintf("CONT %d %s", id, dovecotauth.Encode(response)))
	}
}
