package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/saslauthd"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

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
// sent, with a name for the service that is one, or the request is refused and the store is not asked. Prepared names are as they
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
				fields[2] = serviceName(fields[2])
				if diff := cmp.Diff(append(fields, "mail.example"), []string{a.Request.User, a.Password, a.Request.Service, a.Request.Realm}); diff != "" {
					t.Errorf("byte %#x in field %d: -sent +asked:\n%s", b, field, diff)
				}
			}
		}
	}
	m.stop()
	if i := strings.IndexFunc(log.String(), func(r rune) bool { return r != '\n' && r < ' ' || r == 0x7f }); i >= 0 {
		t.Errorf("a control character is in the log: %.80q", log.String()[i:])
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
