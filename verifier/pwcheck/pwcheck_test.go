package pwcheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

var (
	alice = verifiertest.User{Name: "alice", Realm: "mail.example", Password: "canary-A7"}
	users = []verifiertest.User{
		alice,
		{Name: "alice", Realm: "other.example", Password: "canary-B8"},
		{Name: "alice", Password: "canary-C9"},
		{Name: "al ice", Password: "pass word-D1"},
		{Name: "jürgen", Password: "schlüssel-E2"},
		{Name: "b%s", Realm: "mail.example", Password: "p%40ss@F3"},
		{Name: strings.Repeat("n", 255), Password: strings.Repeat("G4", 300)},
	}
	fromAlice = verifier.Request{User: alice.Name, Realm: alice.Realm, Service: "smtp"}
)

// original answers as pwcheck does: it reads until a NUL ends what has come and
// another is before it, or is first; and it answers one after the other.
func original() func(net.Conn) {
	var one sync.Mutex
	passwords := make(map[string]string)
	for _, u := range users {
		passwords[realm.Join(u.Name, u.Realm)] = u.Password
	}
	return func(conn net.Conn) {
		one.Lock()
		defer one.Unlock()
		io.WriteString(conn, answer(conn, passwords))
	}
}

func answer(conn net.Conn, passwords map[string]string) string {
	request := make([]byte, 1023)
	n := 0
	for n < len(request) {
		got, _ := conn.Read(request[n:])
		if got < 1 {
			return "Error reading request"
		}
		n += got
		if request[n-1] == 0 {
			break
		}
	}
	if n == len(request) {
		return "Request too big"
	}
	user, rest, _ := bytes.Cut(request[:n], []byte{0})
	password, _, _ := bytes.Cut(rest, []byte{0})
	switch right, ok := passwords[string(user)]; {
	case !ok:
		return "Userid not found"
	case right != string(password):
		return "Incorrect password"
	}
	return "OK"
}

func client(t testing.TB, d *asktest.Daemon) *Client {
	t.Helper()
	c, err := New(Options{Socket: d.Socket, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// patience is enough for thousands that wait for each other.
const patience = 10 * time.Minute

func TestContract(t *testing.T) {
	t.Parallel()
	c := client(t, asktest.Start(t, "pwcheck", original()))
	if err := verifiertest.TestVerifier(c, users...); err != nil {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if v, err := New(Options{}); v != nil || err == nil || err.Error() != `pwcheck: socket "": no path is given` {
		t.Errorf("%v, %v", v, err)
	}
	for socket, want := range map[string]string{
		"/var/pwcheck/pwcheck": "pwcheck:/var/pwcheck", "/run/other": "pwcheck:/run/other",
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

// The daemon gets all in one, with the realm in the name.
func TestRequest(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	d := asktest.Start(t, "pwcheck", func(conn net.Conn) {
		b := make([]byte, 4096)
		n, _ := conn.Read(b)
		asked <- string(b[:n])
		io.WriteString(conn, "OK")
	})
	v := client(t, d)
	for r, want := range map[verifier.Request]string{
		fromAlice:       "alice@mail.example\x00se cret\x00",
		{User: "alice"}: "alice\x00se cret\x00",
		{User: "a@b"}:   "a@b\x00se cret\x00",
	} {
		account, err := v.VerifyPassword(t.Context(), r, "se cret")
		if got := <-asked; got != want || err != nil || account.User != r.User || account.Realm != r.Realm {
			t.Errorf("%q, %+v, %v, want %q", got, account, err, want)
		}
	}
}

func TestNotAsked(t *testing.T) {
	t.Parallel()
	v, err := New(Options{Socket: "/nonexistent/pwcheck"})
	if err != nil {
		t.Fatal(err)
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name           string
		user, password string
		is             error
		want           string // "" if it is asked
	}{
		{"no name", "", "p", verifier.ErrNoUser, "login is empty"},
		{"NUL in the name", "a\x00b", "p", verifier.ErrNoUser, "login holds a NUL"},
		{"long name", x(1020), "p", verifier.ErrNoUser, "login of 1020 bytes is longer than the 1019 that are taken"},
		{"no password", "a", "", verifier.ErrWrongPassword, "password is empty"},
		{"NUL in the password", "a", "p\x00", verifier.ErrWrongPassword, "password holds a NUL"},
		{"long password", "alice", x(1016), verifier.ErrWrongPassword, "password of 1016 bytes is longer than the 1015 that are taken with this login"},
		{"longest name", x(1019), "p", verifier.ErrUnavailable, ""},
		{"longest password", "alice", x(1015), verifier.ErrUnavailable, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := v.VerifyPassword(t.Context(), verifier.Request{User: c.user}, c.password)
			if !errors.Is(err, c.is) || c.want != "" && err.Error() != "pwcheck: not asked: "+c.want+": "+c.is.Error() {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// says is a daemon that says this to everybody.
func says(reply string) func(net.Conn) {
	return func(conn net.Conn) {
		conn.Read(make([]byte, 4096))
		io.WriteString(conn, reply)
	}
}

var faults = []struct {
	name   string
	script func(net.Conn)
	hangs  bool
	is     error
	want   string
}{
	{"OK", says("OK"), false, nil, ""},
	{"OK and a reason", says("OK welcome"), false, nil, ""},
	{"a byte every 10 ms", func(conn net.Conn) {
		conn.Read(make([]byte, 4096))
		for _, b := range []byte("OK welcome") {
			time.Sleep(10 * time.Millisecond)
			conn.Write([]byte{b})
		}
	}, false, nil, ""},
	{"OKAY", says("OKAY"), false, verifier.ErrUnavailable, "a reply of 4 bytes that begins with OK and is another"},
	{"an OK that is cut short", says("O"), false, verifier.ErrUnavailable, `it says "O"`},
	{"leading space", says(" OK"), false, verifier.ErrWrongPassword, `it says " OK"`},
	{"nothing", says(""), false, verifier.ErrUnavailable, "closed the connection without a reply"},
	{"closes at once", func(net.Conn) {}, false, verifier.ErrUnavailable, ""},
	{"never answers", asktest.Gone, true, verifier.ErrUnavailable, "no answer: context canceled"},
	{"never ends an OK", func(conn net.Conn) { says("OK")(conn); asktest.Gone(conn) }, true, verifier.ErrUnavailable, "no answer"},
	{"longest OK", says("OK " + strings.Repeat("x", 1020)), false, nil, ""},
	{"longer OK", says("OK " + strings.Repeat("x", 1021)), false, verifier.ErrUnavailable, "the reply is longer than 1023 bytes"},
	{"without end", func(conn net.Conn) {
		for {
			if _, err := io.WriteString(conn, strings.Repeat("x", 4096)); err != nil {
				return
			}
		}
	}, false, verifier.ErrUnavailable, ""}, // too long, or the write meets its end
	{"unknown", says("Userid not found"), false, verifier.ErrNoUser, `it says "Userid not found"`},
	{"wrong", says("Incorrect password"), false, verifier.ErrWrongPassword, `it says "Incorrect password"`},
	{"its trouble", says("Error reading request"), false, verifier.ErrUnavailable, `it says "Error reading request"`},
	{"words of its own", says("go away\x1b\n"), false, verifier.ErrWrongPassword, `it says "go away\x1b\n"`},
	{"repeats the password", says("bad: " + alice.Password), false, verifier.ErrWrongPassword, `it says "REDACTED"`},
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
			d := asktest.Start(t, "pwcheck", script)
			v := client(t, d)
			account, err := v.VerifyPassword(ctx, fromAlice, alice.Password)
			if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.want) || (account.User == "") != (err != nil) {
				t.Errorf("%+v, %v, want %v and %q", account, err, c.is, c.want)
			}
			if strings.Contains(fmt.Sprint(err), alice.Password) {
				t.Errorf("the password is in %q", err)
			}
			d.Script(original())
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
	d := asktest.Start(t, "pwcheck", original())
	v := client(t, d)
	unreachable := func(want string) {
		t.Helper()
		_, err := v.VerifyPassword(t.Context(), fromAlice, alice.Password)
		if !errors.Is(err, verifier.ErrUnavailable) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	d.Kill()
	unreachable("connection refused (the socket is stale: pwcheck has ended)")
	if err := os.Remove(d.Socket); err != nil {
		t.Fatal(err)
	}
	unreachable("no such file or directory (does pwcheck run? in a chroot the socket must be inside it)")
	d.Restart()
	wantRecovered(t, v)
}

// Many at once are answered by a daemon that answers one after the other, and nothing
// is left of them, nor of those that nobody answers. It is not parallel: it counts
// goroutines and descriptors.
func TestManyAtOnce(t *testing.T) {
	d := asktest.Start(t, "pwcheck", original())
	check := asktest.Leaks(t)
	v := client(t, d)
	all := func(ctx context.Context, is error) {
		t.Helper()
		var asking sync.WaitGroup
		for range 1000 {
			asking.Go(func() {
				if _, err := v.VerifyPassword(ctx, fromAlice, alice.Password); !errors.Is(err, is) {
					t.Error(err)
				}
			})
		}
		asking.Wait()
	}
	all(t.Context(), nil)
	silent, ctx := asktest.Impatient(t, asktest.Gone)
	d.Script(silent)
	all(ctx, verifier.ErrUnavailable)
	d.Script(original())
	wantRecovered(t, v)
	check()
}
