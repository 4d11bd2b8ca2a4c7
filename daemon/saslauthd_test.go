package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/saslauthd"
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
	c.SetDeadline(time.Now().Add(30 * time.Second))
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

func TestSaslauthdSilence(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	m := startMux(t, &Saslauthd{
		Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofRequest: 20 * time.Millisecond},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for _, sent := range []string{"", "\x00", counted("alice"), counted("alice", "canary-A7", "smtp"), counted("alice", "canary-A7", "smtp", "") + "\x00"} {
		if got := m.ask(t, sent); got != "" {
			t.Errorf("%d bytes and silence: %q", len(sent), got)
		}
	}
	m.stop()
	if n := strings.Count(log.String(), "a request that ends after"); n != 5 || strings.Contains(log.String(), "canary") {
		t.Errorf("%d complaints in the log:\n%s", n, log.String())
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

// A megabyte of anything is answered by its first bytes, or not at all.
func TestSaslauthdJunk(t *testing.T) {
	t.Parallel()
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))})
	for _, c := range []struct{ name, unit, want string }{
		{"text", "x", muxTooLong},
		{"zeroes", "\x00", "\x00\x16NO NULL login received"},
		{"right requests", counted("alice", "canary-A7", "smtp", ""), muxOK},
		{"wrong requests", counted("alice", "wrong", "smtp", ""), muxNo},
	} {
		if got := m.ask(t, strings.Repeat(c.unit, 1<<20/len(c.unit))); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// An asked is a request as a store saw it.
type asked struct {
	Request  verifier.Request
	Password string
}

// recording is a store that lets everybody in and remembers who came.
func recording() (verifier.Verifier, func() []asked) {
	var mu sync.Mutex
	var all []asked
	v := verifyFunc(func(_ context.Context, r verifier.Request, password string) (verifier.Account, error) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, asked{r, password})
		return verifier.Account{User: r.User, Realm: r.Realm}, nil
	})
	return v, func() []asked {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

type verifyFunc func(context.Context, verifier.Request, string) (verifier.Account, error)

func (f verifyFunc) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	return f(ctx, r, password)
}

// What a store is asked: realms, service, address.
func TestSaslauthdRequest(t *testing.T) {
	t.Parallel()
	one := realm.Policy{Default: "mail.example"}
	two := realm.Policy{Default: "mail.example", Others: []string{"other.example"}}
	named := realm.Policy{Others: []string{"other.example"}}
	last := realm.Policy{Default: "mail.example", Others: []string{"other.example"}, Rule: realm.CyrusLastAt}
	for _, c := range []struct {
		name        string
		policy      realm.Policy
		use         RequestRealm
		login, sent string // the realm that was sent
		user, realm string // as the store is asked
		want        string
	}{
		{"no realms, none sent", realm.Policy{}, IgnoreRealm, "al", "", "al", "", muxOK},
		{"no realms, one sent", realm.Policy{}, IgnoreRealm, "al", "mail.example", "al", "", muxOK},
		{"no realms, address", realm.Policy{}, IgnoreRealm, "al@mail.example", "", "al@mail.example", "", muxOK},
		{"no realms, joined", realm.Policy{}, JoinRealm, "al", "mail.example", "al@mail.example", "", muxOK},
		{"no realms, nothing to join", realm.Policy{}, JoinRealm, "al", "", "al", "", muxOK},
		{"no realms, joined twice", realm.Policy{}, JoinRealm, "al@a", "b", "al@a@b", "", muxNo},
		{"default realm", one, IgnoreRealm, "al", "", "al", "mail.example", muxOK},
		{"default realm, sent", one, IgnoreRealm, "al", "mail.example", "al", "mail.example", muxOK},
		{"another realm", two, IgnoreRealm, "al", "other.example", "al", "other.example", muxOK},
		{"another realm, in the login", two, IgnoreRealm, "al@other.example", "", "al", "other.example", muxOK},
		{"only named realms", named, IgnoreRealm, "al", "other.example", "al", "other.example", muxOK},
		{"realm that is not served", two, IgnoreRealm, "al", "evil.example", "al", "evil.example", muxNo},
		{"realm in other letters", two, IgnoreRealm, "al", "OTHER.example", "al", "OTHER.example", muxNo},
		{"realm with an @", two, IgnoreRealm, "al", "x@other.example", "al@x@other.example", "mail.example", muxNo},
		{"both name a realm", two, IgnoreRealm, "al@mail.example", "other.example", "al@mail.example@other.example", "mail.example", muxNo},
		{"both name the same realm", two, IgnoreRealm, "al@mail.example", "mail.example", "al@mail.example@mail.example", "mail.example", muxNo},
		{"cut at the last, as by libsasl2", last, IgnoreRealm, "al@mail.example", "other.example", "al@mail.example", "other.example", muxOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store, all := recording()
			site := muxSite(store)
			site.Realm = c.policy
			m := startMux(t, &Saslauthd{Current: NewCurrent(site), RequestRealm: c.use})
			if got := m.ask(t, counted(c.login, "secret", "imap", c.sent, "192.0.2.1;4000")); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			want := []asked{{verifier.Request{
				User: c.user, Realm: c.realm, Service: "imap", Mechanism: mech.LOGIN.Name, Remote: netip.MustParseAddrPort("192.0.2.1:4000"),
			}, "secret"}}
			if diff := cmp.Diff(want, all(), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("the store was asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.1;4000": "192.0.2.1:4000", "2001:db8::1;4000": "[2001:db8::1]:4000", "::ffff:192.0.2.1;0": "192.0.2.1:0",
		"fe80::1%eth0;25": "[fe80::1%eth0]:25", "192.0.2.1;65535": "192.0.2.1:65535",
		"": "", ";": "", "192.0.2.1": "", "192.0.2.1;": "", ";4000": "", "192.0.2.1;65536": "", "192.0.2.1;-1": "", "192.0.2.1;4000;1": "",
		"192.0.2.1:4000": "", "mail.example;25": "", "[::1];25": "", "alice": "",
	} {
		got := clientAddress(text)
		if (want == "") == got.IsValid() || want != "" && got != netip.MustParseAddrPort(want) {
			t.Errorf("%q: %v, want %q", text, got, want)
		}
	}
}

// A byte in one field changes no other: either the store is asked for exactly what was
// sent, or the request is refused and the store is not asked. Prepared names are as they
// were but for a soft hyphen and the like, which are of more than one byte.
func TestSaslauthdEveryByte(t *testing.T) {
	t.Parallel()
	store, all := recording()
	site := muxSite(store)
	site.Realm = realm.Policy{Default: "mail.example"}
	var log lockedBuffer
	site.Auth.Logger = slog.New(slog.NewTextHandler(&log, nil))
	m := startMux(t, &Saslauthd{Current: NewCurrent(site), Logger: site.Auth.Logger})
	for b := range 256 {
		for field := range 3 {
			fields := []string{"al", "secret", "smtp"}
			fields[field] = "x" + string([]byte{byte(b)}) + "y"
			before := len(all())
			switch got := m.ask(t, counted(append(fields, "mail.example")...)); {
			case got == muxNo:
				if n := len(all()); n != before && b != '@' {
					t.Errorf("byte %#x in field %d: refused, and the store was asked", b, field)
				}
			case got != muxOK:
				t.Errorf("byte %#x in field %d: %q", b, field, got)
			default:
				a := all()[before]
				if diff := cmp.Diff(append(fields, "mail.example"), []string{a.Request.User, a.Password, a.Request.Service, a.Request.Realm}); diff != "" {
					t.Errorf("byte %#x in field %d: -sent +asked:\n%s", b, field, diff)
				}
			}
		}
	}
	m.stop()
	// But for DEL, which slog's TextHandler leaves as it is.
	if i := strings.IndexFunc(log.String(), func(r rune) bool { return r != '\n' && r < ' ' }); i >= 0 {
		t.Errorf("a control character is in the log: %.80q", log.String()[i:])
	}
}

// A server that has stopped before a connection is read from waits no longer for it than
// for others.
func TestSaslauthdStoppedBefore(t *testing.T) {
	t.Parallel()
	for _, h := range []Handler{
		&Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofRequest: time.Hour, ofStop: time.Millisecond}},
		&Pwcheck{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofRequest: time.Hour, ofStop: time.Millisecond}},
	} {
		client, server := net.Pipe()
		c := &Conn{Conn: server}
		c.Stop()
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeConn(context.Background(), c)
		}()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			t.Errorf("%T goes on", h)
		}
		client.Close()
		server.Close()
	}
}

// What is neither yes nor no is said by nothing.
func TestSaslauthdTrouble(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]verifier.Verifier{
		"unavailable": verifyFunc(func(context.Context, verifier.Request, string) (verifier.Account, error) {
			return verifier.Account{}, verifier.ErrUnavailable
		}),
		"unknown error": verifyFunc(func(context.Context, verifier.Request, string) (verifier.Account, error) {
			return verifier.Account{}, io.ErrUnexpectedEOF
		}),
		"throttled": verifyFunc(func(context.Context, verifier.Request, string) (verifier.Account, error) {
			return verifier.Account{}, verifier.ErrThrottled
		}),
		"nobody": verifyFunc(func(context.Context, verifier.Request, string) (verifier.Account, error) {
			return verifier.Account{}, nil
		}),
		"panic": verifyFunc(func(context.Context, verifier.Request, string) (verifier.Account, error) { panic("at the store") }),
		"too slow": verifyFunc(func(ctx context.Context, _ verifier.Request, _ string) (verifier.Account, error) {
			<-ctx.Done()
			return verifier.Account{}, fmt.Errorf("%w: %w", verifier.ErrUnavailable, ctx.Err())
		}),
		"too slow, and says so itself": verifyFunc(func(ctx context.Context, _ verifier.Request, _ string) (verifier.Account, error) {
			<-ctx.Done()
			return verifier.Account{}, ctx.Err()
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(v)), times: connTimes{ofAll: 50 * time.Millisecond}})
			if got := m.ask(t, counted("alice", "canary-A7", "smtp", "")); got != "" {
				t.Errorf("%q", got)
			}
		})
	}
}

// A site that permits no password mechanism refuses: it is no trouble that passes.
func TestSaslauthdNotOffered(t *testing.T) {
	t.Parallel()
	site := muxSite(verifiertest.NewMemory(muxUsers...))
	site.Auth.Mechanisms = []string{"SCRAM-SHA-256"}
	m := startMux(t, &Saslauthd{Current: NewCurrent(site)})
	if got := m.ask(t, counted("alice", "canary-A7", "smtp", "")); got != muxNo {
		t.Errorf("%q", got)
	}
}

// A new site counts from the next request on.
func TestSaslauthdReload(t *testing.T) {
	t.Parallel()
	current := NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))
	m := startMux(t, &Saslauthd{Current: current})
	c := m.dial(t)
	request := counted("alice", "canary-A7", "smtp", "")
	io.WriteString(c, request[:5])
	for range 10 {
		m.server.Recycle() // who is about to ask may go on
	}
	current.Set(muxSite(verifiertest.NewMemory(verifiertest.User{Name: "alice", Password: "another"})))
	io.WriteString(c, request[5:])
	if got := remaining(t, c); got != muxNo {
		t.Errorf("%q", got)
	}
	if got := m.ask(t, counted("alice", "another", "smtp", "")); got != muxOK {
		t.Errorf("%q", got)
	}
}

// A server that stops answers what is on its way, and does not wait for who is silent.
func TestSaslauthdStop(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifyFunc(func(_ context.Context, r verifier.Request, _ string) (verifier.Account, error) {
		close(entered)
		<-leave
		return verifier.Account{User: r.User}, nil
	}))), times: connTimes{ofRequest: time.Hour, ofStop: 10 * time.Millisecond}})
	silent, asking := m.dial(t), m.dial(t)
	asktest.Until(t, "both are served", func() bool { return m.server.Conns() == 2 })
	io.WriteString(asking, counted("alice", "canary-A7", "smtp", ""))
	<-entered
	stopped := make(chan struct{})
	go func() { defer close(stopped); m.stop() }()
	if got := remaining(t, silent); got != "" {
		t.Errorf("silent: %q", got)
	}
	close(leave)
	if got := remaining(t, asking); got != muxOK {
		t.Errorf("asking: %q", got)
	}
	<-stopped
}

// The guard is asked for whom and from where, its delay holds up nobody else, and only
// who is refused is not refunded.
func TestSaslauthdGuard(t *testing.T) {
	t.Parallel()
	slow := make(chan struct{})
	var failures, refunds atomic.Int64
	g := guardFunc(func(ctx context.Context, r verifier.Request) (func(error), error) {
		if r.Remote.Addr() == netip.MustParseAddr("192.0.2.66") {
			select {
			case <-slow:
			case <-ctx.Done():
				return nil, fmt.Errorf("%w: %w", verifier.ErrUnavailable, ctx.Err())
			}
		}
		if r.User == "locked" {
			return nil, verifier.ErrThrottled
		}
		return func(err error) {
			if err == nil {
				refunds.Add(1)
			} else {
				failures.Add(1)
			}
		}, nil
	})
	site := muxSite(verifiertest.NewMemory(muxUsers...))
	site.Auth.Guard = g
	m := startMux(t, &Saslauthd{Current: NewCurrent(site)})
	delayed := m.dial(t)
	io.WriteString(delayed, counted("alice", "canary-A7", "smtp", "", "192.0.2.66;1"))
	for request, want := range map[string]string{
		counted("alice", "canary-A7", "smtp", "", "192.0.2.1;1"): muxOK,
		counted("alice", "wrong", "smtp", ""):                    muxNo,
		counted("locked", "wrong", "smtp", ""):                   "",
	} {
		if got := m.ask(t, request); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	close(slow)
	if got := remaining(t, delayed); got != muxOK {
		t.Errorf("delayed: %q", got)
	}
	m.stop()
	if refunds.Load() != 2 || failures.Load() != 1 {
		t.Errorf("%d refunds and %d failures, want 2 and 1", refunds.Load(), failures.Load())
	}
}

type guardFunc func(context.Context, verifier.Request) (func(error), error)

func (f guardFunc) Admit(ctx context.Context, r verifier.Request) (func(error), error) {
	return f(ctx, r)
}

// Our own client finds the contract kept. What it cannot be told, who is disabled or
// expired, is left out.
func TestSaslauthdContract(t *testing.T) {
	t.Parallel()
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))})
	for _, address := range []saslauthd.ClientAddress{saslauthd.Omit, saslauthd.Send} {
		v, err := saslauthd.New(saslauthd.Options{Socket: m.socket, ClientAddress: address})
		if err != nil {
			t.Fatal(err)
		}
		if err := verifiertest.TestVerifier(v, muxUsers[:4]...); err != nil {
			t.Errorf("client address %d: %v", address, err)
		}
	}
}

// Ten thousand at once, each with an answer of its own.
func TestSaslauthdMany(t *testing.T) {
	t.Parallel()
	const users = 100
	store := new(verifiertest.Memory)
	for i := range users {
		store.Add(verifiertest.User{Name: fmt.Sprint("user", i), Password: fmt.Sprint("canary-", i)})
	}
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(store))})
	asking := make(chan struct{}, 1000) // descriptors are limited
	var all sync.WaitGroup
	for i := range 10_000 {
		asking <- struct{}{}
		all.Go(func() {
			defer func() { <-asking }()
			user, password, want := i%users, i%users, muxOK
			if i/users%2 == 1 {
				password, want = (i+1)%users, muxNo
			}
			if got := m.ask(t, counted(fmt.Sprint("user", user), fmt.Sprint("canary-", password), "smtp", "")); got != want {
				t.Errorf("user %d by password %d: %q, want %q", user, password, got, want)
			}
		})
	}
	all.Wait()
}

// A thousand that say half a word hold up nobody, and nothing is left of them. It is not
// parallel: it counts goroutines and descriptors.
func TestSaslauthdSilentThousand(t *testing.T) {
	check := muxLeaks(t)
	func() {
		m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofStop: time.Millisecond}})
		var silent []net.Conn
		for range 1000 {
			c := m.dial(t)
			io.WriteString(c, "\x00")
			silent = append(silent, c)
		}
		asktest.Until(t, "all are served", func() bool { return m.server.Conns() == len(silent) })
		for range 100 {
			if got := m.ask(t, counted("alice", "canary-A7", "smtp", "")); got != muxOK {
				t.Errorf("%q", got)
			}
		}
		if n := m.server.Conns(); n < len(silent) {
			t.Errorf("%d connections are left of %d", n, len(silent))
		}
		m.stop()
		for _, c := range silent {
			if got := remaining(t, c); got != "" {
				t.Errorf("%q", got)
			}
			c.Close()
		}
	}()
	check()
}

// muxLeaks is asktest.Leaks when the descriptors are there that the runtime opens for the
// first connection and keeps.
func muxLeaks(t *testing.T) (check func()) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "first"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return asktest.Leaks(t)
}

// Passwords are in no log.
func TestSaslauthdLog(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	site := muxSite(verifiertest.NewMemory(muxUsers...))
	site.Auth.Logger = logger
	m := startMux(t, &Saslauthd{Current: NewCurrent(site), Logger: logger})
	for _, c := range muxAnswers {
		m.ask(t, c.request)
	}
	m.askAndEnd(t, counted("alice", "canary-A7"))
	m.stop()
	text := log.String()
	if strings.Contains(text, "canary") || strings.Contains(text, "pass word-B8") || strings.Contains(text, "D1D1") {
		t.Errorf("a password is in the log:\n%s", text)
	}
	for _, want := range []string{"login of 257 bytes", "a request that ends after 18 bytes", "result=ok user=alice", "remote=192.0.2.1", "password holds a NUL"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the log:\n%s", want, text)
		}
	}
}

// A lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
