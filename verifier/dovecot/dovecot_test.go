package dovecot

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{}, {Socket: "unix:"}, {Socket: "/a\x00b"}, {Socket: "inet:"}, {Socket: "inet:localhost"}, {Socket: "inet::24"}, {Socket: "inet:localhost:"},
		{Socket: "/s", Limit: -1}, {Socket: "/s", Timeout: -1},
	} {
		if c, err := New(o); c != nil || err == nil || !strings.HasPrefix(err.Error(), "dovecot: options: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for socket, want := range map[string][2]string{
		"/run/dovecot/auth-client": {"unix", "/run/dovecot/auth-client"}, "unix:private/auth": {"unix", "private/auth"},
		"inet:localhost:24": {"tcp", "localhost:24"}, "inet:[::1]:24": {"tcp", "[::1]:24"},
	} {
		c := newClient(t, Options{Socket: socket})
		if got := [2]string{c.network, c.address}; got != want || verifier.Name(c) != "dovecot:"+socket {
			t.Errorf("%s: %q, %s", socket, got, verifier.Name(c))
		}
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	users := []verifiertest.User{
		{Name: "alice", Realm: "example.org", Password: "correct horse"},
		{Name: "bob", Realm: "example.org", Password: "battery staple"},
		{Name: "carol", Realm: "example.org", Password: "locked since May", Disabled: true},
		{Name: "dora", Password: "jalapeño pepper"},
	}
	passwords := make(map[string]string)
	for _, u := range users {
		name := u.Name
		if u.Realm != "" {
			name += "@" + u.Realm
		}
		passwords[name] = u.Password
	}
	for name, cut := range map[string]int{"lines": 0, "bytes": 1, "pieces": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{cut: cut, users: passwords}
			f.auth = func(c *fakeConn, a dovecotauth.Auth) {
				if user, password := credentials(a); strings.HasPrefix(user, "carol@") && password == passwords[user] {
					c.reply(dovecotauth.OK{ID: a.ID, Params: dovecotauth.Params{"user=" + user, "nologin", "reason=away"}})
					return
				}
				c.check(a)
			}
			if err := verifiertest.TestVerifier(newClient(t, Options{Socket: f.start(t)}), users...); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is sent, to the byte.
func TestRequest(t *testing.T) {
	t.Parallel()
	r := request("alice", "example.org")
	for _, c := range []struct {
		name string
		edit func(*verifier.Request)
		want string
	}{
		{"nothing known", func(r *verifier.Request) { r.Realm = "" }, "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tsecured\tno-penalty\tresp=AGFsaWNlAHNlY3JldA==\n"},
		{"realm", func(*verifier.Request) {}, "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tsecured\tno-penalty\tresp=AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA==\n"},
		{"addresses", func(r *verifier.Request) {
			r.Realm, r.Service = "", "imap"
			r.Remote, r.Local = netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[::ffff:192.0.2.2]:143")
		}, "AUTH\t1\tPLAIN\tservice=imap\tnologin\tsecured\tno-penalty\tlip=192.0.2.2\tlport=143\trip=2001:db8::1\trport=40000\tresp=AGFsaWNlAHNlY3JldA==\n"},
		{"a scoped address without a port", func(r *verifier.Request) {
			r.Realm, r.Remote = "", netip.AddrPortFrom(netip.MustParseAddr("fe80::1%eth0"), 0)
		}, "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tsecured\tno-penalty\trip=fe80::1\tresp=AGFsaWNlAHNlY3JldA==\n"},
		{"a service with a TAB", func(r *verifier.Request) { r.Realm, r.Service = "", "a\tresp=" }, "AUTH\t1\tPLAIN\tservice=a\x01tresp=\tnologin\tsecured\tno-penalty\tresp=AGFsaWNlAHNlY3JldA==\n"},
	} {
		r := r
		c.edit(&r)
		q, err := newQuestion(r, "secret")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := q.append(nil, 1)
		if diff := cmp.Diff(c.want, string(got)); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got:\n%s", c.name, err, diff)
		}
	}
}

// What cannot be said is refused although nobody listens.
func TestRefusedWithoutAsking(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Socket: socketIn(t)})
	for _, q := range []struct {
		name, user, realm, password string
		want                        error
	}{
		{"no name", "", "", "x", verifier.ErrNoUser},
		{"NUL in the name", "a\x00b", "", "x", verifier.ErrNoUser},
		{"NUL in the realm", "a", "b\x00", "x", verifier.ErrNoUser},
		{"no password", "a", "", "", verifier.ErrWrongPassword},
		{"NUL in the password", "a", "", "x\x00", verifier.ErrWrongPassword},
		{"long password", "a", "", strings.Repeat("x", 8192), verifier.ErrWrongPassword},
		{"long name", strings.Repeat("x", 8192), "", "x", verifier.ErrWrongPassword},
	} {
		if a, err := c.VerifyPassword(within(t), request(q.user, q.realm), q.password); !errors.Is(err, q.want) || a.User != "" {
			t.Errorf("%s: %v, %v", q.name, a, err)
		}
	}
	long := request(strings.Repeat("x", 1024), strings.Repeat("r", 255))
	_, err := c.VerifyPassword(within(t), long, strings.Repeat("p", 4096))
	if !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("the longest name and password of the contract: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	account := func(user, realm string) verifier.Account { return verifier.Account{User: user, Realm: realm} }
	for _, c := range []struct {
		name, user, realm, reply string
		want                     verifier.Account
		err                      error
	}{
		{"user", "alice", "", "OK\t1\tuser=alice", account("alice", ""), nil},
		{"user and realm", "alice", "example.org", "OK\t1\tuser=alice@example.org", account("alice", "example.org"), nil},
		{"folded by Dovecot", "Alice", "Example.ORG", "OK\t1\tuser=alice@example.org\toriginal_user=Alice@Example.ORG", account("alice", "example.org"), nil},
		{"translated by Dovecot", "alice", "example.org", "OK\t1\tuser=bob@example.org", account("bob", "example.org"), nil},
		{"realm dropped by Dovecot", "alice", "example.org", "OK\t1\tuser=alice", account("alice", ""), nil},
		{"another realm", "alice", "example.org", "OK\t1\tuser=alice@example.com", account("alice@example.com", ""), nil},
		{"a realm nobody asked for", "alice", "", "OK\t1\tuser=alice@example.org", account("alice@example.org", ""), nil},
		{"two @", "a@b", "example.org", "OK\t1\tuser=a@b@example.org", account("a@b", "example.org"), nil},
		{"realm that only ends like it", "alice", "example.org", "OK\t1\tuser=alice@x.example.org", account("alice@x.example.org", ""), nil},
		{"escaped user", "alice", "", "OK\t1\tuser=a\x01tb", account("a\tb", ""), nil},
		{"further parameters", "alice", "", "OK\t1\tuser=alice\t\tnodelay=y\tresp=AA==\tuser=bob", account("alice", ""), nil},
		{"no user", "alice", "", "OK\t1", verifier.Account{}, verifier.ErrUnavailable},
		{"empty user", "alice", "", "OK\t1\tuser=", verifier.Account{}, verifier.ErrUnavailable},
		{"only a realm", "alice", "example.org", "OK\t1\tuser=@example.org", verifier.Account{}, verifier.ErrUnavailable},
		{"nologin", "alice", "", "OK\t1\tuser=alice\tnologin\treason=locked", verifier.Account{}, verifier.ErrDisabled},
		{"proxy", "alice", "", "OK\t1\tuser=alice\tproxy\thost=192.0.2.9", verifier.Account{}, verifier.ErrUnavailable},
		{"proxy with nologin", "alice", "", "OK\t1\tuser=alice\tnologin\tproxy=y", verifier.Account{}, verifier.ErrUnavailable},
		{"master user", "alice*master", "", "OK\t1\tuser=alice\toriginal_user=master\tauth_user=master", verifier.Account{}, verifier.ErrWrongPassword},
		{"failure", "alice", "", "FAIL\t1\tuser=alice", verifier.Account{}, verifier.ErrWrongPassword},
		{"bare failure", "alice", "", "FAIL\t1", verifier.Account{}, verifier.ErrWrongPassword},
		{"temporary failure", "alice", "", "FAIL\t1\tuser=alice\tcode=temp_fail", verifier.Account{}, verifier.ErrUnavailable},
		{"temporary failure of old", "alice", "", "FAIL\t1\tuser=alice\ttemp", verifier.Account{}, verifier.ErrUnavailable},
		{"disabled, which says nothing of the password", "alice", "", "FAIL\t1\tuser=alice\tcode=user_disabled", verifier.Account{}, verifier.ErrWrongPassword},
		{"expired, likewise", "alice", "", "FAIL\t1\tuser=alice\tcode=pass_expired\treason=Password expired", verifier.Account{}, verifier.ErrWrongPassword},
		{"authorization", "alice", "", "FAIL\t1\tuser=alice\tcode=authz_fail", verifier.Account{}, verifier.ErrWrongPassword},
		{"authorization of old", "alice", "", "FAIL\t1\tuser=alice\tauthz", verifier.Account{}, verifier.ErrWrongPassword},
		{"a code of the future", "alice", "", "FAIL\t1\tuser=alice\tcode=x", verifier.Account{}, verifier.ErrWrongPassword},
		{"not understood", "alice", "", "FAIL\t1\tcode=invalid_base64\treason=x", verifier.Account{}, verifier.ErrUnavailable},
		{"more", "alice", "", "CONT\t1\t", verifier.Account{}, verifier.ErrUnavailable},
		{"unknown lines first", "alice", "", "\nHELLO\nNOTFOUND\t1\nOK\t2\tuser=bob\nOK\t1\tuser=alice", account("alice", ""), nil},
		{"two answers", "alice", "", "FAIL\t1\nOK\t1\tuser=alice", verifier.Account{}, verifier.ErrWrongPassword},
		{"broken line", "alice", "", "OK\tone\tuser=alice", verifier.Account{}, verifier.ErrUnavailable},
		{"broken escape", "alice", "", "OK\t1\tuser=alice\x01", verifier.Account{}, verifier.ErrUnavailable},
		{"NUL", "alice", "", "OK\t1\tuser=alice\x00", verifier.Account{}, verifier.ErrUnavailable},
		{"CR", "alice", "", "OK\t1\tuser=alice\r", verifier.Account{}, verifier.ErrUnavailable},
		{"long line", "alice", "", "OK\t1\tuser=alice\tx=" + strings.Repeat("x", dovecotauth.MaxLine), verifier.Account{}, verifier.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{auth: func(fc *fakeConn, _ dovecotauth.Auth) { fc.say(c.reply + "\n") }}
			got, err := newClient(t, Options{Socket: f.start(t)}).VerifyPassword(within(t), request(c.user, c.realm), "secret")
			if diff := cmp.Diff(c.want, got); diff != "" || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

// The codes that are refusals are in the error, for the log, if they are known: what
// else a server says may be what it was told.
func TestLogTellsWhy(t *testing.T) {
	t.Parallel()
	f := &fake{auth: func(c *fakeConn, a dovecotauth.Auth) {
		_, code := credentials(a)
		c.reply(dovecotauth.Fail{ID: a.ID, Params: dovecotauth.Params{"code=" + code}})
	}}
	c := newClient(t, Options{Socket: f.start(t)})
	for code, says := range map[string]string{"user_disabled": " with user_disabled", "pass_expired": " with pass_expired", "my secret": ""} {
		_, err := c.VerifyPassword(within(t), request("a\nb", ""), code)
		want := "dovecot: " + c.address + `: password of "a\nb" is refused` + says + ": verifier: wrong password"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, greeting, says string }{
		{"without PLAIN", "VERSION\t1\t2\nMECH\tCRAM-MD5\nSPID\t1\nCUID\t1\nCOOKIE\t0\nDONE\n", "does not offer PLAIN"},
		{"version 2", strings.Replace(greeting, "\t1\t2", "\t2\t0", 1), "not version 1"},
		{"another protocol", "* OK IMAP4rev1\n", "not version 1"},
		{"the master's socket", "VERSION\t1\t1\nSPID\t17\n", "no mechanisms"},
		{"broken line", "VERSION\t1\n", "byte"},
		{"long line", "VERSION\t1\t2\n" + strings.Repeat("x", 20000) + "\n", "longer than"},
		{"without an end", "VERSION\t1\t2\n" + strings.Repeat("MECH\tX\n", 300), "more than 256 lines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{greeting: c.greeting}
			v := newClient(t, Options{Socket: f.start(t)})
			for range 2 {
				_, err := v.VerifyPassword(within(t), request("alice", ""), "secret")
				if !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want one that says %q", err, c.says)
				}
			}
			if _, _, requests := f.count(); requests > 0 {
				t.Error("a password was sent")
			}
			wait(t, "connections closed", func() bool { _, open, _ := f.count(); return open == 0 })
		})
	}
}

// A server that waits for the client's version before it says more than its own, as
// Dovecot 2.4 does.
func TestServerWaitsForVersion(t *testing.T) {
	t.Parallel()
	f := &fake{greeting: "VERSION\t1\t3\n"}
	f.users = map[string]string{"alice": "secret"}
	f.auth = func(c *fakeConn, a dovecotauth.Auth) { c.check(a) }
	rest := strings.TrimPrefix(greeting, "VERSION\t1\t2\n")
	f.version = func(c *fakeConn) { c.say(rest) }
	if a, err := newClient(t, Options{Socket: f.start(t)}).VerifyPassword(within(t), request("alice", ""), "secret"); err != nil || a.User != "alice" {
		t.Errorf("%v, %v", a, err)
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	for _, minor := range []string{"0", "2"} {
		f := &fake{greeting: strings.Replace(greeting, "\t1\t2", "\t1\t"+minor, 1), auth: func(*fakeConn, dovecotauth.Auth) {}}
		c := newClient(t, Options{Socket: f.start(t), Timeout: 20 * time.Millisecond})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		for _, ctx := range []context.Context{context.Background(), ctx} {
			_, err := c.VerifyPassword(ctx, request("alice", ""), "secret")
			if !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("minor version %s: %v", minor, err)
			}
		}
	}
}

// Who leaves says so, to a server that knows the command, and does not get in the way of
// others: the answer that comes too late is nobody's.
func TestCancel(t *testing.T) {
	t.Parallel()
	for _, minor := range []string{"0", "1"} {
		t.Run("minor version "+minor, func(t *testing.T) {
			t.Parallel()
			f := &fake{greeting: strings.Replace(greeting, "\t1\t2", "\t1\t"+minor, 1)}
			var late dovecotauth.Auth
			f.auth = func(c *fakeConn, a dovecotauth.Auth) {
				if name, _ := credentials(a); name == "slow" {
					late = a
					return
				}
				c.reply(dovecotauth.OK{ID: late.ID, Params: dovecotauth.Params{"user=slow"}})
				c.reply(dovecotauth.OK{ID: a.ID, Params: dovecotauth.Params{"user=fast"}})
			}
			c := newClient(t, Options{Socket: f.start(t)})
			ctx, cancel := context.WithCancel(within(t))
			done := make(chan error)
			go func() {
				_, err := c.VerifyPassword(ctx, request("slow", ""), "secret")
				done <- err
			}()
			wait(t, "the request", func() bool { _, _, requests := f.count(); return requests == 1 })
			cancel()
			if err := <-done; !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if a, err := c.VerifyPassword(within(t), request("fast", ""), "secret"); err != nil || a.User != "fast" {
				t.Errorf("%v, %v", a, err)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			var want []uint32
			if minor != "0" {
				want = []uint32{1}
			}
			if diff := cmp.Diff(want, f.cancels); diff != "" {
				t.Errorf("cancelled, -want +got:\n%s", diff)
			}
		})
	}
}
