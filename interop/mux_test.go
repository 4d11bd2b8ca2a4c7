//go:build linux

package interop

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// A mux is our saslauthd.
type mux struct {
	dir    string // the socket is mux in it
	server *daemon.Server
	stop   func()
}

// startMux serves saslauthd's protocol until the test ends, in a folder that everybody may
// enter.
func startMux(t testing.TB, v verifier.Verifier, policy realm.Policy) *mux {
	t.Helper()
	dir, err := os.MkdirTemp("", "saslkit-mux-") // t.TempDir is closed to the user postfix
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m := &mux{dir: dir}
	site := &daemon.Site{Auth: &saslkit.Authenticator{Verifier: v}, Realm: policy}
	m.start(t, &daemon.Saslauthd{Current: daemon.NewCurrent(site)})
	return m
}

func (m *mux) socket() string { return filepath.Join(m.dir, "mux") }

// start serves, again after stop.
func (m *mux) start(t testing.TB, h daemon.Handler) {
	t.Helper()
	l, err := daemon.Listen(t.Context(), daemon.Socket{Path: m.socket(), Mode: 0o666})
	if err != nil {
		t.Fatal(err)
	}
	m.server = &daemon.Server{Handler: h}
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
}

// muxAccounts are known to the original and to ours, by one shadow file.
var muxAccounts = append([]unixAccount{
	{name: "gone", password: labPassword, aging: "19000:0:99999:7::10000:"},
	{name: "stale", password: labPassword, aging: "10000:0:30:7:::"},
	{name: "locked", password: labPassword, mark: "!"},
}, saslauthdAccounts[:5]...)

// testsaslauthd gets the same output and exit code from ours as from the original.
func TestMuxTestsaslauthd(t *testing.T) {
	t.Parallel()
	program := peers.Need(t, "testsaslauthd", "sasl2-bin")
	original := startSaslauthd(t, muxAccounts, nil, "-a", "shadow")
	ours := startMux(t, openShadowAt(t, original.etc("shadow")), realm.Policy{})
	try := func(socket string, args []string) string {
		cmd := exec.Command(program, append(args, "-f", socket)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out) + cmd.ProcessState.String()
	}
	alice, password := saslauthdAccounts[0].name, saslauthdAccounts[0].password
	calls := map[string][]string{
		"right":                    {"-u", alice, "-p", password},
		"right, three times":       {"-u", alice, "-p", password, "-R", "3"},
		"right, with a realm":      {"-u", alice, "-p", password, "-r", "mail.example", "-s", "smtp"},
		"wrong":                    {"-u", alice, "-p", "wrong"},
		"wrong, three times":       {"-u", alice, "-p", "wrong", "-R", "3"},
		"unknown":                  {"-u", "nobody-here", "-p", password},
		"no login":                 {"-u", "", "-p", password},
		"no password":              {"-u", alice, "-p", ""},
		"right, without a service": {"-u", alice, "-p", password, "-s", ""},
		"password of 256 bytes":    {"-u", alice, "-p", strings.Repeat("x", 256)},
		"password of 257 bytes":    {"-u", alice, "-p", strings.Repeat("x", 257)},
		"password of 1,000 bytes":  {"-u", alice, "-p", strings.Repeat("x", 1000)},
		"service of 257 bytes":     {"-u", alice, "-p", password, "-s", strings.Repeat("x", 257)},
		"account expired":          {"-u", "gone", "-p", labPassword},
		"password expired":         {"-u", "stale", "-p", labPassword},
		"locked":                   {"-u", "locked", "-p", labPassword},
		"address":                  {"-u", alice + "@mail.example", "-p", password},
	}
	for _, a := range saslauthdAccounts[:5] {
		calls["right, odd: "+a.name[:1]+a.password[:1]] = []string{"-u", a.name, "-p", a.password}
		calls["wrong, odd: "+a.name[:1]+a.password[:1]] = []string{"-u", a.name, "-p", a.password[1:]}
	}
	for name, args := range calls {
		t.Run(name, func(t *testing.T) {
			want := try(original.socket(), args)
			if got := try(ours.socket(), args); got != want {
				t.Errorf("%q, want %q", got, want)
			}
			if strings.HasPrefix(name, "right") != strings.HasSuffix(want, "exit status 0") {
				t.Errorf("the original says %q", want)
			}
		})
	}
}

// Bytes get the same answer from both, but for the reason of a refusal; except where the
// original cuts at a NUL, or waits.
func TestMuxBytes(t *testing.T) {
	t.Parallel()
	original := startSaslauthd(t, muxAccounts, nil, "-a", "shadow", "-n", "2")
	ours := startMux(t, openShadowAt(t, original.etc("shadow")), realm.Policy{})
	fields := func(all ...string) string {
		var b []byte
		for _, f := range all {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(f))), f...)
		}
		return string(b)
	}
	alice, password := saslauthdAccounts[0].name, saslauthdAccounts[0].password
	right := fields(alice, password, "smtp", "mail.example")
	for _, c := range []struct {
		name, sent string
		differs    string // ours, where they do
	}{
		{name: "right", sent: right},
		{name: "wrong", sent: fields(alice, "wrong", "smtp", "")},
		{name: "unknown", sent: fields("nobody-here", "wrong", "smtp", "")},
		{name: "expired", sent: fields("gone", labPassword, "smtp", "")},
		{name: "address as a fifth field", sent: right + fields("192.0.2.1;4000")},
		{name: "two requests", sent: right + right},
		{name: "nothing"},
		{name: "two zeroes", sent: "\x00\x00", differs: "\x00\x16NO NULL login received"},
		{name: "no login", sent: fields("", password, "smtp", "")},
		{name: "no password", sent: fields(alice, "", "smtp", "")},
		{name: "no service and no realm", sent: fields(alice, password, "", "")},
		{name: "without a realm", sent: fields(alice, password, "smtp")},
		{name: "cut in a field", sent: right[:len(right)-1]},
		{name: "cut in a length", sent: fields(alice, password) + "\x00"},
		{name: "longest length", sent: "\xff\xff"},
		{name: "text", sent: "AUTH PLAIN AGFsaWNl\r\n"},
		{name: "257 bytes", sent: fields(strings.Repeat("x", 257), password, "smtp", "")},
		{name: "65535 bytes", sent: fields(alice, strings.Repeat("x", 65535), "smtp", "")},
		{name: "realm of 256 bytes", sent: fields(alice, password, "smtp", strings.Repeat("x", 256))},
		{name: "realm of 257 bytes", sent: fields(alice, password, "smtp", strings.Repeat("x", 257))},
		{name: "NUL behind the password", sent: fields(alice, password+"\x00x", "smtp", ""), differs: "\x00\x18NO authentication failed"},
		{name: "NUL behind the login", sent: fields(alice+"\x00x", password, "smtp", ""), differs: "\x00\x18NO authentication failed"},
		{name: "begun fifth field", sent: right + "\x00", differs: "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			theirs, got := exchangeBytes(t, original.socket(), c.sent), exchangeBytes(t, ours.socket(), c.sent)
			want := c.differs
			switch {
			case want == "":
				want = withoutReason(theirs)
			case want == "nothing":
				want = ""
			}
			if got != want {
				t.Errorf("%q, want %q; the original says %q", got, want, theirs)
			}
			if c.differs != "" && theirs == got {
				t.Errorf("the original too says %q", theirs)
			}
		})
	}
}

// withoutReason gives a refusal of shadow our text.
func withoutReason(reply string) string {
	for _, reason := range []string{"Incorrect password", "Invalid username", "Account expired", "Password expired"} {
		if len(reply) > 2 && reply[2:] == "NO "+reason {
			return "\x00\x18NO authentication failed"
		}
	}
	return reply
}

// exchangeBytes says all this, and that it is all, and returns all that comes back.
func exchangeBytes(t *testing.T, socket, sent string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, sent)
	c.(*net.UnixConn).CloseWrite()
	var reply bytes.Buffer
	if _, err := io.Copy(&reply, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%q and then nothing", reply.String())
	}
	return reply.String()
}
