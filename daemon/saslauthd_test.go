package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// muxUsers are in the store of most tests.
var muxUsers = []verifiertest.User{
	{Name: "alice", Password: "canary-A7"},
	{Name: "al ice", Password: "pass word-B8"},
	{Name: "jürgen", Password: "schlüssel-C9"},
	{Name: strings.Repeat("n", 255), Password: strings.Repeat("D1", 128)},
	{Name: "off", Password: "canary-E2", Disabled: true},
	{Name: "old", Password: "canary-F3", Expired: true},
}

// muxSite is a site over a store.
func muxSite(v verifier.Verifier) *Site {
	return &Site{Auth: &saslkit.Authenticator{Verifier: v}}
}

// A muxServer is a server on a unix socket, until the test ends.
type muxServer struct {
	socket string
	server *Server
	stop   func() // and wait
}

func startMux(t testing.TB, h Handler) *muxServer {
	t.Helper()
	m := &muxServer{socket: filepath.Join(t.TempDir(), "mux"), server: &Server{Handler: h}}
	l, err := net.Listen("unix", m.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.server.Serve(ctx, l) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(m.stop)
	return m
}

func (m *muxServer) dial(t testing.TB) *net.UnixConn {
	t.Helper()
	c, err := net.Dial("unix", m.socket)
	for errors.Is(err, syscall.EAGAIN) { // many connect, and the listener's queue is full
		time.Sleep(time.Millisecond)
		c, err = net.Dial("unix", m.socket)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(enough))
	return c.(*net.UnixConn)
}

// ask sends bytes and returns all that comes back until the server closes.
func (m *muxServer) ask(t testing.TB, request string) string {
	t.Helper()
	c := m.dial(t)
	defer c.Close()
	io.WriteString(c, request) // the server may have closed meanwhile
	return remaining(t, c)
}

// askAndEnd is ask, but the client says that it has said all.
func (m *muxServer) askAndEnd(t testing.TB, request string) string {
	t.Helper()
	c := m.dial(t)
	defer c.Close()
	io.WriteString(c, request)
	c.CloseWrite()
	return remaining(t, c)
}

// remaining reads until the server closes. That it closes before it has read all is told
// as a connection that is reset.
func remaining(t testing.TB, c net.Conn) string {
	t.Helper()
	reply, err := io.ReadAll(c)
	if isTimeout(err) {
		t.Fatal("the server does not close")
	}
	return string(reply)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// counted is fields, each with its length before it.
func counted(fields ...string) string {
	var b []byte
	for _, f := range fields {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(f))), f...)
	}
	return string(b)
}

const (
	muxOK      = "\x00\x02OK"
	muxNo      = "\x00\x18NO authentication failed"
	muxTooLong = "\x00\x03NO "
)

// The answers are saslauthd's, measured with shadow behind it, but for the text with
// which it tells strangers apart.
var muxAnswers = []struct {
	name, request, want string
}{
	{"good", counted("alice", "canary-A7", "smtp", ""), muxOK},
	{"good, with spaces", counted("al ice", "pass word-B8", "smtp", ""), muxOK},
	{"good, beyond ASCII", counted("jürgen", "schlüssel-C9", "smtp", ""), muxOK},
	{"wrong password", counted("alice", "wrong", "smtp", ""), muxNo},
	{"unknown user", counted("nobody", "canary-A7", "smtp", ""), muxNo},
	{"disabled", counted("off", "canary-E2", "smtp", ""), muxNo},
	{"disabled, wrong password", counted("off", "wrong", "smtp", ""), muxNo},
	{"expired", counted("old", "canary-F3", "smtp", ""), muxNo},
	{"no service", counted("alice", "canary-A7", "", ""), muxOK},
	{"realm, of which the site has none", counted("alice", "canary-A7", "smtp", "anywhere"), muxOK},
	{"password of 256 bytes", counted(muxUsers[3].Name, muxUsers[3].Password, "smtp", ""), muxOK},
	{"service of 256 bytes", counted("alice", "canary-A7", strings.Repeat("s", 256), ""), muxOK},
	{"no login", counted("", "canary-A7", "smtp", ""), "\x00\x16NO NULL login received"},
	{"no password", counted("alice", "", "smtp", ""), "\x00\x19NO NULL password received"},
	{"login of 257 bytes", counted(strings.Repeat("n", 257), "p", "smtp", ""), muxTooLong},
	{"password of 257 bytes", counted("alice", strings.Repeat("p", 257), "smtp", ""), muxTooLong},
	{"service of 257 bytes", counted("alice", "canary-A7", strings.Repeat("s", 257), ""), muxTooLong},
	{"realm of 257 bytes", counted("alice", "canary-A7", "smtp", strings.Repeat("r", 257)), muxTooLong},
	{"password of 1000 bytes", counted("alice", strings.Repeat("p", 1000), "smtp", ""), muxTooLong},
	{"password of 65535 bytes", counted("alice", strings.Repeat("p", 65535), "smtp", ""), muxTooLong},
	{"a length alone", "\xff\xff", muxTooLong},
	{"text", "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", muxTooLong},
	{"two requests", counted("alice", "canary-A7", "smtp", "") + counted("alice", "canary-A7", "smtp", ""), muxOK},
	{"two requests, the first wrong", counted("alice", "wrong", "smtp", "") + counted("alice", "canary-A7", "smtp", ""), muxNo},

	// saslauthd reads four fields, and its next version waits for the fifth.
	{"address", counted("alice", "canary-A7", "smtp", "", "192.0.2.1;4000"), muxOK},
	{"address is not known", counted("alice", "canary-A7", "smtp", "", ""), muxOK},
	{"address is none", counted("alice", "canary-A7", "smtp", "", "%s;x"), muxOK},
	{"address of 257 bytes", counted("alice", "canary-A7", "smtp", "", strings.Repeat("9", 257)), muxTooLong},

	// saslauthd cuts these, and lets in.
	{"NUL behind the login", counted("alice\x00junk", "canary-A7", "smtp", ""), muxNo},
	{"NUL behind the password", counted("alice", "canary-A7\x00junk", "smtp", ""), muxNo},
	{"NUL in the service", counted("alice", "canary-A7", "sm\x00tp", ""), muxNo},

	{"name that is not UTF-8", counted("al\xffice", "canary-A7", "smtp", ""), muxNo},
	{"name of 256 bytes", counted(strings.Repeat("n", 256), "p", "smtp", ""), muxNo},
}

func TestSaslauthdAnswers(t *testing.T) {
	t.Parallel()
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))})
	for _, c := range muxAnswers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := m.ask(t, c.request); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if got := m.askAndEnd(t, c.request); got != c.want {
				t.Errorf("from a client that has said all: %q, want %q", got, c.want)
			}
		})
	}
}

// What is no request gets no answer: the connection ends.
func TestSaslauthdUnfinished(t *testing.T) {
	t.Parallel()
	whole := counted("alice", "canary-A7", "smtp", "mail.example")
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))})
	for i := range len(whole) {
		if got := m.askAndEnd(t, whole[:i]); got != "" {
			t.Errorf("%d bytes of a request: %q", i, got)
		}
	}
	for i := 1; i < len("\x00\x0e192.0.2.1;4000"); i++ {
		if got := m.askAndEnd(t, whole+"\x00\x0e192.0.2.1;4000"[:i]); got != "" {
			t.Errorf("%d bytes of a fifth field: %q", i, got)
		}
	}
}

func TestSaslauthdByteByByte(t *testing.T) {
	t.Parallel()
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))})
	for password, want := range map[string]string{"canary-A7": muxOK, "canary-A8": muxNo} {
		c := m.dial(t)
		for _, b := range []byte(counted("alice", password, "smtp", "mail.example")) {
			if _, err := c.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if got := remaining(t, c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// An older client sends four fields and waits: it is not waited for.
func TestSaslauthdFourFieldsAndSilence(t *testing.T) {
	t.Parallel()
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofRequest: time.Hour, ofAll: time.Hour}})
	if got := m.ask(t, counted("alice", "canary-A7", "smtp", "")); got != muxOK {
		t.Errorf("%q", got)
	}
}

func TestSaslauthdMaxField(t *testing.T) {
	t.Parallel()
	store := verifiertest.NewMemory(verifiertest.User{Name: "alice", Password: strings.Repeat("p", 1000)})
	request := counted("alice", strings.Repeat("p", 1000), "smtp", "")
	for most, want := range map[int]string{0: muxTooLong, 999: muxTooLong, 1000: muxOK, 1024: muxOK, 1 << 30: muxOK, -1: muxTooLong} {
		m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(store)), MaxField: most})
		if got := m.ask(t, request); got != want {
			t.Errorf("at most %d: %q, want %q", most, got, want)
		}
		if got := m.ask(t, counted("alice", strings.Repeat("p", 1025))); got != muxTooLong {
			t.Errorf("at most %d, 1,025 bytes: %q", most, got)
		}
	}
}
