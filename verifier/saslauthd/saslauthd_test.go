package saslauthd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/internal/saslauthdwire"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	c := client(t, asktest.Start(t, "mux", newFake().serve))
	if err := verifiertest.TestVerifier(c, users...); err != nil {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no socket", Options{}, `saslauthd: socket "": no path is given`},
		{"long path", Options{Socket: strings.Repeat("x", 200)}, "the path has 200 bytes"},
		{"large fields", Options{Socket: "/mux", MaxField: 1025}, "saslauthd: fields of 1025 bytes: not 1 to 1024"},
		{"negative fields", Options{Socket: "/mux", MaxField: -1}, "saslauthd: fields of -1 bytes: not 1 to 1024"},
		{"client address", Options{Socket: "/mux", ClientAddress: 2}, "saslauthd: no such choice of client address: 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := New(c.o)
			if v != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for socket, want := range map[string]string{
		"/run/saslauthd/mux": "saslauthd:/run/saslauthd", "/run/other": "saslauthd:/run/other",
	} {
		v, err := New(Options{Socket: socket})
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.ToSlash(verifier.Name(v)); got != want {
			t.Errorf("%s: %s, want %s", socket, got, want)
		}
	}
}

// What the daemon gets is what libsasl sends.
func TestRequest(t *testing.T) {
	t.Parallel()
	request := verifier.Request{
		User: "alice", Realm: "mail.example", Service: "imap", Mechanism: "PLAIN",
		Remote: netip.MustParseAddrPort("192.0.2.1:4000"), Local: netip.MustParseAddrPort("192.0.2.2:143"),
	}
	four := saslauthdwire.Request{Login: "alice", Password: "secret", Service: "imap", Realm: "mail.example"}
	five := four
	five.Form = saslauthdwire.FiveFields
	for _, c := range []struct {
		name    string
		address ClientAddress
		remote  string
		want    saslauthdwire.Request
		client  string
	}{
		{"2.1.28", Omit, "192.0.2.1:4000", four, ""},
		{"2.2", Send, "192.0.2.1:4000", five, "192.0.2.1;4000"},
		{"2.2, IPv6", Send, "[2001:db8::1]:25", five, "2001:db8::1;25"},
		{"2.2, IPv4 on an IPv6 socket", Send, "[::ffff:192.0.2.1]:25", five, "192.0.2.1;25"},
		{"2.2, unknown", Send, "", five, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan saslauthdwire.Request, 1)
			d := asktest.Start(t, "mux", func(conn net.Conn) {
				b := make([]byte, saslauthdwire.MaxRequest)
				n, _ := conn.Read(b) // all in one
				r, err := saslauthdwire.ParseRequest(b[:n], saslauthdwire.DefaultMaxField)
				if err != nil {
					t.Error(err)
				}
				asked <- r
				io.WriteString(conn, "\x00\x02OK")
			})
			v, err := New(Options{Socket: d.Socket, ClientAddress: c.address})
			if err != nil {
				t.Fatal(err)
			}
			r := request
			r.Remote, _ = netip.ParseAddrPort(c.remote)
			account, err := v.VerifyPassword(t.Context(), r, "secret")
			if err != nil || account.User != "alice" || account.Realm != "mail.example" {
				t.Errorf("%+v, %v", account, err)
			}
			c.want.Client = c.client
			if diff := cmp.Diff(c.want, <-asked); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What the daemon would refuse unread, or cut, it is not asked.
func TestNotAsked(t *testing.T) {
	t.Parallel()
	v, err := New(Options{Socket: "/nonexistent/mux"})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 257)
	for _, c := range []struct {
		name     string
		r        verifier.Request
		password string
		is       error
		want     string
	}{
		{"no name", verifier.Request{}, "p", verifier.ErrNoUser, "login is empty"},
		{"long name", verifier.Request{User: long}, "p", verifier.ErrNoUser, "login of 257 bytes is longer than the 256 that are taken"},
		{"NUL in the name", verifier.Request{User: "a\x00b"}, "p", verifier.ErrNoUser, "login holds a NUL"},
		{"long realm", verifier.Request{User: "a", Realm: long}, "p", verifier.ErrNoUser, "realm of 257 bytes is longer than the 256 that are taken"},
		{"NUL in the realm", verifier.Request{User: "a", Realm: "\x00"}, "p", verifier.ErrNoUser, "realm holds a NUL"},
		{"no password", verifier.Request{User: "a"}, "", verifier.ErrWrongPassword, "password is empty"},
		{"long password", verifier.Request{User: "a"}, long, verifier.ErrWrongPassword, "password of 257 bytes is longer than the 256 that are taken"},
		{"NUL in the password", verifier.Request{User: "a"}, "p\x00", verifier.ErrWrongPassword, "password holds a NUL"},
		{"long service", verifier.Request{User: "a", Service: long}, "p", verifier.ErrUnavailable, "service of 257 bytes is longer than the 256 that are taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			account, err := v.VerifyPassword(t.Context(), c.r, c.password)
			if want := "saslauthd: not asked: " + c.want + ": " + c.is.Error(); !errors.Is(err, c.is) || err.Error() != want || account.User != "" {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
	// The limit is the site's.
	large, err := New(Options{Socket: "/nonexistent/mux", MaxField: 257})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := large.VerifyPassword(t.Context(), verifier.Request{User: long}, long); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
}

// reply is a daemon that says these bytes to everybody.
func reply(b string) func(net.Conn) {
	return func(conn net.Conn) {
		receive(conn)
		io.WriteString(conn, b)
		asktest.Gone(conn)
	}
}

func no(reason string) func(net.Conn) {
	return reply(string(saslauthdwire.AppendReply(nil, saslauthdwire.Reply{Verdict: saslauthdwire.No, Reason: reason})))
}

// slowly is a daemon that says a byte at a time.
func slowly(b string, pause time.Duration) func(net.Conn) {
	return func(conn net.Conn) {
		receive(conn)
		for i := range len(b) {
			time.Sleep(pause)
			if _, err := io.WriteString(conn, b[i:i+1]); err != nil {
				return
			}
		}
		asktest.Gone(conn)
	}
}

// faults are what a daemon may do, and what is made of it; nil is success. Every one
// but those that hang on purpose has as long as it needs.
var faults = []struct {
	name   string
	script func(net.Conn)
	hangs  bool
	is     error
	want   string
}{
	{"OK", reply("\x00\x02OK"), false, nil, ""},
	{"OK and a reason", reply("\x00\x23OK remote authentication successful"), false, nil, ""},
	{"OK and then nothing", func(conn net.Conn) { receive(conn); io.WriteString(conn, "\x00\x02OK") }, false, nil, ""},
	{"a byte every 10 ms", slowly("\x00\x23OK remote authentication successful", 10*time.Millisecond), false, nil, ""},
	{"a refusal, a byte every 10 ms", slowly("\x00\x15NO Incorrect password", 10*time.Millisecond), false, verifier.ErrWrongPassword, `it says "NO Incorrect password"`},

	{"never accepts a request", asktest.Gone, true, verifier.ErrUnavailable, "no answer: context canceled"},
	{"a byte and no more", reply("\x00"), true, verifier.ErrUnavailable, "no answer"},
	{"a part and no more", reply("\x00\x09OK re"), true, verifier.ErrUnavailable, "no answer"},
	{"a byte every second", slowly("\x00\x02OK", time.Second), true, verifier.ErrUnavailable, "no answer"},
	{"progress without end", slowly("\x04\x00OK "+strings.Repeat("x", 1021), time.Millisecond), true, verifier.ErrUnavailable, "no answer"},

	{"closes at once", func(net.Conn) {}, false, verifier.ErrUnavailable, ""}, // a reset, a broken pipe or an end
	{"closes without a reply", func(conn net.Conn) { receive(conn) }, false, verifier.ErrUnavailable, "closed the connection without a reply (is it newer than 2.1.28?"},
	{"closes in the count", func(conn net.Conn) { receive(conn); io.WriteString(conn, "\x00") }, false, verifier.ErrUnavailable, "closed the connection after 1 bytes of its reply"},
	{"closes after the count", func(conn net.Conn) { receive(conn); io.WriteString(conn, "\x00\x02") }, false, verifier.ErrUnavailable, "closed the connection after 2 bytes of its reply"},
	{"closes in an OK", func(conn net.Conn) { receive(conn); io.WriteString(conn, "\x00\x04OK ") }, false, verifier.ErrUnavailable, "closed the connection after 5 bytes of its reply"},
	{"garbage", reply("220 mail.example ESMTP\r\n"), false, verifier.ErrUnavailable, "a reply of 12850 bytes, not 2 to 1024"},
	{"count 0", reply("\x00\x00"), false, verifier.ErrUnavailable, "a reply of 0 bytes, not 2 to 1024"},
	{"count 1", reply("\x00\x01O"), false, verifier.ErrUnavailable, "a reply of 1 bytes, not 2 to 1024"},
	{"count 1025", reply("\x04\x01OK"), false, verifier.ErrUnavailable, "a reply of 1025 bytes, not 2 to 1024"},
	{"count 65535", reply("\xff\xffOK " + strings.Repeat("x", 65532)), false, verifier.ErrUnavailable, "a reply of 65535 bytes, not 2 to 1024"},
	{"OKAY", reply("\x00\x04OKAY"), false, verifier.ErrUnavailable, "neither OK nor NO"},
	{"leading space", reply("\x00\x03 OK"), false, verifier.ErrUnavailable, "neither OK nor NO"},
	{"bytes after the reply", reply("\x00\x02OKAY"), false, verifier.ErrUnavailable, "2 bytes behind the reply"},

	{"a bare NO", no(""), false, verifier.ErrWrongPassword, `it says "NO"`},
	{"unknown to shadow", no("Invalid username"), false, verifier.ErrNoUser, `it says "NO Invalid username"`},
	{"in passwd alone", no("Invalid shadow username"), false, verifier.ErrNoUser, ""},
	{"expired", no("Account expired"), false, verifier.ErrExpired, ""},
	{"password expired", no("Password expired"), false, verifier.ErrExpired, ""},
	{"no account to PAM", no("PAM acct error"), false, verifier.ErrDisabled, ""},
	{"no PAM", no("PAM start error"), false, verifier.ErrUnavailable, `it says "NO PAM start error"`},
	{"no IMAP server", no("[ALERT] Couldn't contact remote authentication server"), false, verifier.ErrUnavailable, ""},
	{"nearly expired", no("Account expired."), false, verifier.ErrWrongPassword, ""},
	{"control characters", no("x\r\n\x1b[31m"), false, verifier.ErrWrongPassword, `it says "NO x\r\n\x1b[31m"`},
	{"long reason", no(strings.Repeat("x", 1000)), false, verifier.ErrWrongPassword, `it says "NO ` + strings.Repeat("x", 197) + `"`},
	{"repeats the password", no("no such password: " + alice.Password), false, verifier.ErrWrongPassword, `it says "NO REDACTED"`},
}

// After every fault the next login is as if there had been none.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			script, ctx := c.script, t.Context()
			if c.hangs {
				script, ctx = asktest.Impatient(t, script)
			}
			d := asktest.Start(t, "mux", script)
			v := client(t, d)
			account, err := v.VerifyPassword(ctx, fromAlice, alice.Password)
			if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.want) || (account.User == "") != (err != nil) {
				t.Errorf("%+v, %v, want %v and %q", account, err, c.is, c.want)
			}
			if strings.Contains(fmt.Sprint(err), alice.Password) {
				t.Errorf("the password is in %q", err)
			}
			d.Script(newFake().serve)
			wantRecovered(t, v)
		})
	}
}

func wantRecovered(t *testing.T, v *Client) {
	t.Helper()
	if _, err := v.VerifyPassword(t.Context(), fromAlice, alice.Password); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if _, err := v.VerifyPassword(t.Context(), fromAlice, "wrong"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("afterwards, with a wrong password: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	d := asktest.Start(t, "mux", newFake().serve)
	v := client(t, d)
	unreachable := func(want string) {
		t.Helper()
		_, err := v.VerifyPassword(t.Context(), fromAlice, alice.Password)
		want = "verifier: store is unavailable: saslauthd: " + d.Socket + ": connect: " + want
		if !errors.Is(err, verifier.ErrUnavailable) || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	d.Kill()
	unreachable("connection refused (the socket is stale: saslauthd has ended)")
	if err := os.Remove(d.Socket); err != nil {
		t.Fatal(err)
	}
	unreachable("no such file or directory (does saslauthd run, with option -m and this folder? in a chroot the socket must be inside it)")
	d.Restart()
	folder := filepath.Dir(d.Socket)
	if err := os.Chmod(folder, 0); err != nil {
		t.Fatal(err)
	}
	nobody.Do(func() { unreachable("permission denied (is the process in group sasl?)") })
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	wantRecovered(t, v)
}
