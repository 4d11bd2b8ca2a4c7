package saslkit_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func wantClass(t *testing.T, err error, want mech.Class) {
	t.Helper()
	var e *saslkit.Error
	if !errors.As(err, &e) {
		t.Errorf("error is %v, want an *Error: %v", err, want)
	} else if e.Class != want {
		t.Errorf("class is %q (%s), want %q", e.Class, e.Detail(), want)
	}
}

// countingGuard counts, and can refuse.
type countingGuard struct {
	admitted, refunded, failed int
	refuse                     error
	last                       verifier.Request
}

func (g *countingGuard) Admit(_ context.Context, r verifier.Request) (func(error), error) {
	g.last = r
	if g.refuse != nil {
		return nil, g.refuse
	}
	g.admitted++
	return func(err error) {
		if err == nil {
			g.refunded++
		} else {
			g.failed++
		}
	}, nil
}

func site(v verifier.Verifier) *saslkit.Authenticator {
	return &saslkit.Authenticator{Verifier: v, Policy: anything, Mechanisms: append(everyone[:len(everyone):len(everyone)], withSecrets...)}
}

func peerOf(a *saslkit.Authenticator) *saslkit.Peer {
	return a.NewPeer(saslkit.PeerConfig{Service: "smtp", Realm: realm.Policy{Default: testRealm}})
}

func TestLoginCommand(t *testing.T) {
	var guard countingGuard
	a := &saslkit.Authenticator{Verifier: store(full("al")), Guard: &guard}
	ch := clear
	peer := a.NewPeer(saslkit.PeerConfig{
		Service: "imap", Realm: realm.Policy{Default: testRealm},
		Channel:  func() saslkit.Channel { return ch },
		MapError: func(e *saslkit.Error) error { return fmt.Errorf("mapped: %w", e) },
	})
	defer peer.Close()

	err := peer.Login("al", password("al"))
	wantClass(t, err, mech.EncryptionRequired)
	if !strings.HasPrefix(err.Error(), "mapped: ") {
		t.Errorf("error %v was not mapped", err)
	}
	if guard.admitted != 0 {
		t.Error("a login that the policy forbids asked the guard")
	}
	ch = tls
	for _, c := range []struct {
		user, password string
		want           mech.Class
	}{
		{"al", "wrong", mech.BadCredentials},
		{"nobody", "wrong", mech.BadCredentials},
		{"", "x", mech.Malformed},
		{"al", "", mech.BadCredentials},
		{"a\x00l", "x", mech.Malformed},
		{"al", "x\x00", mech.Malformed},
		{strings.Repeat("u", 256), "x", mech.Limit},
		{"al", strings.Repeat("p", 1025), mech.Limit},
	} {
		wantClass(t, peer.Login(c.user, c.password), c.want)
		if _, ok := peer.Result(); ok {
			t.Fatalf("%q %q left a result", c.user, c.password)
		}
	}
	if err := peer.Login("al", password("al")); err != nil {
		t.Fatal(err)
	}
	r, ok := peer.Result()
	if !ok || r.Name() != "al@example.com" || r.Mechanism != "LOGIN" {
		t.Errorf("result is %+v", r)
	}
	if guard.refunded != 1 || guard.failed != 2 || guard.last.Service != "imap" || guard.last.User != "al" {
		t.Errorf("guard: %+v", guard)
	}
	peer.Forget()
	if _, ok := peer.Result(); ok {
		t.Error("Forget left the result")
	}
}

// TestResultOnlyWhenDone: with success data, nobody is logged in before the
// client has acknowledged it, whatever the acknowledgement holds.
func TestResultOnlyWhenDone(t *testing.T) {
	for _, acknowledgement := range []string{"", "username=\"al\"", "\x00"} {
		var guard countingGuard
		a := site(store(full("al")))
		a.Guard = &guard
		peer := peerOf(a)
		x, err := peer.Start("DIGEST-MD5")
		if err != nil {
			t.Fatal(err)
		}
		c, err := saslkit.NewClient(saslkit.ClientConfig{
			Credentials: saslkit.Credentials{Username: "al", Password: password("al")},
			Mechanisms:  []string{"DIGEST-MD5"}, Service: "smtp", Host: "localhost",
		})
		if err != nil {
			t.Fatal(err)
		}
		challenge, _, err := x.Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.Next(challenge)
		if err != nil {
			t.Fatal(err)
		}
		rspauth, done, err := x.Next(response)
		if done || err != nil || !bytes.HasPrefix(rspauth, []byte("rspauth=")) {
			t.Fatalf("%q, %v, %v; want rspauth as one more challenge", rspauth, done, err)
		}
		if _, ok := peer.Result(); ok || guard.refunded != 0 {
			t.Fatal("the result is there before the acknowledgement")
		}
		if _, done, err = x.Next([]byte(acknowledgement)); !done || err != nil {
			t.Fatalf("acknowledged with %q: %v, %v", acknowledgement, done, err)
		}
		if _, ok := peer.Result(); !ok || guard.refunded != 1 {
			t.Fatalf("no result after the acknowledgement (guard %+v)", guard)
		}
		if _, done, err = x.Next([]byte("again")); done || !errors.Is(err, saslkit.ErrExchangeOver) {
			t.Fatalf("after the end: %v, %v", done, err)
		}
	}
}

// TestAbandoned: an exchange that ends by "*" or a lost connection counts as a
// failure, once.
func TestAbandoned(t *testing.T) {
	var guard countingGuard
	a := site(store(full("al")))
	a.Guard = &guard
	var events []saslkit.Event
	a.Observer = func(e saslkit.Event) { events = append(events, e) }
	peer := peerOf(a)
	x, err := peer.Start("DIGEST-MD5")
	if err != nil {
		t.Fatal(err)
	}
	o := x.Step(nil)
	c, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "al", Password: password("al")},
		Mechanisms:  []string{"DIGEST-MD5"}, Service: "smtp", Host: "localhost",
	})
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Next(o.Data)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Next(response); err != nil { // rspauth is on its way
		t.Fatal(err)
	}
	peer.Close()
	peer.Close()
	if guard.admitted != 1 || guard.failed != 1 || guard.refunded != 0 {
		t.Errorf("guard: %+v", guard)
	}
	if _, ok := peer.Result(); ok {
		t.Error("abandoned exchange left a result")
	}
	if _, done, err := x.Next(nil); done || err == nil {
		t.Error("an abandoned exchange goes on")
	}
	// Who only wants to know whether a password is right leaves when he knows.
	if len(events) != 1 || !errors.Is(events[0].Err, verifier.ErrAbandoned) || !strings.Contains(events[0].Err.Detail(), "right credentials") {
		t.Errorf("events: %+v", events)
	}

	// A new start settles the old exchange.
	peer = peerOf(a)
	y, _ := peer.Start("PLAIN")
	if _, err := peer.Start("PLAIN"); err != nil {
		t.Fatal(err)
	}
	if o := y.Step([]byte("\x00al\x00" + password("al"))); !errors.Is(o.Err, saslkit.ErrExchangeOver) {
		t.Errorf("the old exchange goes on: %+v", o)
	}
}

// TestCloseFromElsewhere: a host may close the peer while a store is being asked.
// Whatever the store then says, nobody is logged in and the guard hears once.
func TestCloseFromElsewhere(t *testing.T) {
	for _, name := range withSecrets {
		var guard countingGuard
		asked, answer := make(chan struct{}), make(chan struct{})
		a := site(verifier.Passwords(func(context.Context, verifier.Request) (string, error) {
			close(asked)
			<-answer
			return password("al"), nil
		}))
		a.Guard = &guard
		peer := peerOf(a)
		failed := make(chan error, 1)
		go func() { failed <- loginOn(peer, name) }()
		<-asked
		peer.Close()
		if _, err := peer.Start("PLAIN"); err == nil {
			t.Errorf("%s: a closed peer begins another exchange", name)
		}
		close(answer)
		wantClass(t, <-failed, mech.Cancelled)
		if _, ok := peer.Result(); ok || guard.admitted != 1 || guard.failed != 1 || guard.refunded != 0 {
			t.Errorf("%s: result %v, guard %+v", name, ok, guard)
		}
	}
}

// loginOn logs in on a peer as go-sasl hosts do.
func loginOn(peer *saslkit.Peer, mechanism string) error {
	x, err := peer.Start(mechanism)
	if err != nil {
		return err
	}
	c, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "al", Password: password("al")},
		Mechanisms:  []string{mechanism}, Policy: anything, Service: "smtp", Host: "localhost",
	})
	if err != nil {
		return err
	}
	_, response, err := c.Start()
	for err == nil {
		var challenge []byte
		var done bool
		if challenge, done, err = x.Next(response); done || err != nil {
			return err
		}
		response, err = c.Next(challenge)
	}
	return err
}

func TestGuardRefuses(t *testing.T) {
	m := store(full("al"))
	a := site(m)
	a.Guard = &countingGuard{refuse: verifier.ErrThrottled}
	for _, name := range withSecrets {
		_, err := saslkittest.Client{Mechanism: name, Credentials: saslkit.Credentials{Username: "al", Password: password("al")}, Realm: realm.Policy{Default: testRealm}}.Login(a)
		wantClass(t, err, mech.Unavailable)
	}
	if m.Checks.Load()+m.Lookups.Load() != 0 {
		t.Error("a secret was read although the guard refused")
	}
}

// TestBadInput: whatever a client sends, the error is typed, nobody gets in, and
// the connection can be used for another try.
func TestBadInput(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, c := range []struct {
		mechanism string
		responses []string // "-" for none
		want      mech.Class
	}{
		{"PLAIN", []string{""}, mech.Malformed},
		{"PLAIN", []string{"-", ""}, mech.Malformed},
		{"PLAIN", []string{"-", "-"}, mech.Malformed},
		{"PLAIN", []string{"\x00al"}, mech.Malformed},
		{"PLAIN", []string{"\x00\x00x"}, mech.Malformed},
		{"PLAIN", []string{"\x00al\x00x\x00y"}, mech.Malformed},
		{"PLAIN", []string{"\x00a\nl\x00x"}, mech.Malformed},
		{"PLAIN", []string{"\x00a\rl\x00x"}, mech.Malformed},
		{"PLAIN", []string{"\x00\xff\x00x"}, mech.Malformed},
		{"PLAIN", []string{"a\nb\x00al\x00x"}, mech.Malformed},
		{"PLAIN", []string{"\x00" + long[:256] + "\x00x"}, mech.Limit},
		{"PLAIN", []string{"\x00al\x00" + long[:1025]}, mech.Limit},
		{"PLAIN", []string{long}, mech.Limit},
		{"PLAIN", []string{"\x00al\x00"}, mech.BadCredentials},
		{"LOGIN", []string{""}, mech.Malformed},
		{"LOGIN", []string{"-", ""}, mech.Malformed},
		{"LOGIN", []string{"a\x00l"}, mech.Malformed},
		{"LOGIN", []string{"\xff"}, mech.Malformed},
		{"LOGIN", []string{long}, mech.Limit},
		{"LOGIN", []string{"al", long}, mech.Limit},
		{"LOGIN", []string{"al", ""}, mech.BadCredentials},
		{"LOGIN", []string{"al", "-"}, mech.BadCredentials},
		{"CRAM-MD5", []string{""}, mech.Malformed},
		{"CRAM-MD5", []string{"al 00000000000000000000000000000000"}, mech.Malformed},
		{"CRAM-MD5", []string{"-", ""}, mech.Malformed},
		{"CRAM-MD5", []string{"-", "a\x00l 00000000000000000000000000000000"}, mech.Malformed},
		{"CRAM-MD5", []string{"-", long}, mech.Limit},
		{"DIGEST-MD5", []string{"username=\"al\""}, mech.Malformed},
		{"DIGEST-MD5", []string{"-", ""}, mech.Malformed},
		{"DIGEST-MD5", []string{"-", ",,,,"}, mech.Malformed},
		{"DIGEST-MD5", []string{"-", long}, mech.Limit},
		{"DIGEST-MD5", []string{"", "username"}, mech.Malformed},
		{"ANONYMOUS", []string{"a\nb"}, mech.Malformed},
		{"ANONYMOUS", []string{long[:300]}, mech.Limit},
		{"EXTERNAL", []string{"\x00"}, mech.Malformed},
		{"EXTERNAL", []string{"\xff"}, mech.Malformed},
		{"EXTERNAL", []string{long[:256]}, mech.Limit},
		{"EXTERNAL", []string{"root"}, mech.NotPermitted},
	} {
		t.Run(fmt.Sprintf("%s %.30q", c.mechanism, c.responses), func(t *testing.T) {
			a := site(store(full("al")))
			peer := a.NewPeer(saslkit.PeerConfig{Service: "smtp", Realm: realm.Policy{Default: testRealm}, Channel: func() saslkit.Channel { return proven }})
			defer peer.Close()
			x, err := peer.Start(c.mechanism)
			if err != nil {
				t.Fatal(err)
			}
			var last error
			for i, r := range c.responses {
				response := []byte(r)
				if r == "-" {
					response = nil
				}
				challenge, done, err := x.Next(response)
				if done || i < len(c.responses)-1 && err != nil || err != nil && challenge != nil {
					t.Fatalf("response %d: %q, %v, %v", i, challenge, done, err)
				}
				last = err
			}
			wantClass(t, last, c.want)
			if _, done, err := x.Next([]byte("\x00al\x00" + password("al"))); done || !errors.Is(err, saslkit.ErrExchangeOver) {
				t.Errorf("after the failure: %v, %v", done, err)
			}
			// The connection still works.
			y, err := peer.Start("PLAIN")
			if err != nil {
				t.Fatal(err)
			}
			if _, done, err := y.Next([]byte("\x00al\x00" + password("al"))); !done || err != nil {
				t.Errorf("second try: %v, %v", done, err)
			}
		})
	}
}

func TestStartRefuses(t *testing.T) {
	for _, c := range []struct {
		name      string
		auth      *saslkit.Authenticator
		channel   saslkit.Channel
		mechanism string
		want      mech.Class
		smtp      int
	}{
		{"unknown", &saslkit.Authenticator{Verifier: store(full("al"))}, tls, "KERBEROS_V4", mech.MechanismUnavailable, 504},
		{"over-long name", &saslkit.Authenticator{Verifier: store(full("al"))}, tls, strings.Repeat("PLAIN", 100), mech.MechanismUnavailable, 504},
		{"not named", &saslkit.Authenticator{Verifier: store(full("al"))}, tls, "CRAM-MD5", mech.MechanismUnavailable, 504},
		{"not on the list", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"PLAIN"}}, tls, "LOGIN", mech.MechanismUnavailable, 504},
		{"in the clear", &saslkit.Authenticator{Verifier: store(full("al"))}, clear, "PLAIN", mech.EncryptionRequired, 538},
		{"too weak", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"CRAM-MD5"}, Policy: mech.Policy{TLS: mech.MutualAuth}}, tls, "CRAM-MD5", mech.TooWeak, 534},
		{"nothing external", &saslkit.Authenticator{Verifier: store(full("al"))}, tls, "EXTERNAL", mech.MechanismUnavailable, 504},
		{"nobody has a secret", &saslkit.Authenticator{Verifier: checker(full("al")), Mechanisms: everyone}, tls, "CRAM-MD5", mech.MechanismUnavailable, 504},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := c.auth.NewPeer(saslkit.PeerConfig{Channel: func() saslkit.Channel { return c.channel }})
			x, err := peer.Start(c.mechanism)
			if x != nil {
				t.Error("there is an exchange")
			}
			wantClass(t, err, c.want)
			var e *saslkit.Error
			if errors.As(err, &e) {
				if code, _, _ := e.SMTP(); code != c.smtp {
					t.Errorf("SMTP %d, want %d", code, c.smtp)
				}
			}
			if s, err := peer.Auth(c.mechanism); s != nil || err == nil {
				t.Errorf("Auth: %v, %v", s, err)
			}
		})
	}
}

// TestLooksTheSame: unknown user, wrong password and missing secret are the same
// to the peer in bytes, codes, steps and counted work, and different in the log.
func TestLooksTheSame(t *testing.T) {
	type trial struct{ what, user, reason string }
	trials := []trial{
		{"wrong password", "al", verifier.ErrWrongPassword.Error()},
		{"unknown user", "xx", verifier.ErrNoUser.Error()},
		{"missing secret", "no", verifier.ErrNoSecret.Error()},
		{"disabled user, wrong password", "di", verifier.ErrWrongPassword.Error()},
		{"expired user, wrong password", "ex", verifier.ErrWrongPassword.Error()},
		{"realm that is not served", "al@evil.example", realm.ErrUnknown.Error()},
		{"name with two @", "a@b@example.com", realm.ErrAmbiguous.Error()},
	}
	for _, name := range withSecrets {
		var first string
		for _, c := range trials {
			m := verifiertest.NewMemory(
				verifiertest.User{Name: "al", Realm: testRealm, Password: "right"},
				verifiertest.User{Name: "no", Realm: testRealm},
				verifiertest.User{Name: "di", Realm: testRealm, Password: "right", Disabled: true},
				verifiertest.User{Name: "ex", Realm: testRealm, Password: "right", Expired: true})
			var log bytes.Buffer
			a := site(m)
			a.Logger = slog.New(slog.NewTextHandler(&log, nil))
			seen := transcript(t, a, name, c.user, "wrong") + fmt.Sprintf("checks %d lookups %d", m.Checks.Load(), m.Lookups.Load())
			if first == "" {
				first = seen
			}
			if diff := cmp.Diff(first, seen); diff != "" {
				t.Errorf("%s, %s (-%s +this):\n%s", name, c.what, trials[0].what, diff)
			}
			if !strings.Contains(log.String(), c.reason) || !strings.Contains(log.String(), "result=fail") {
				t.Errorf("%s, %s: log %q does not say %q", name, c.what, log.String(), c.reason)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 {
				t.Errorf("%s, %s: %d log lines", name, c.what, n)
			}
		}
		if !strings.Contains(first, "535") {
			t.Errorf("%s: %s", name, first)
		}
	}
}

// transcript is what a peer sees: challenges with what is random or its own name
// left out, and the replies of all three protocols.
func transcript(t *testing.T, a *saslkit.Authenticator, mechanism, user, password string) string {
	t.Helper()
	peer := peerOf(a)
	defer peer.Close()
	x, err := peer.Start(mechanism)
	if err != nil {
		t.Fatal(err)
	}
	c, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: user, Password: password},
		Mechanisms:  []string{mechanism}, Policy: anything, Service: "smtp", Host: "localhost",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, response, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	for {
		o := x.Step(response)
		fmt.Fprintf(&seen, "state %d, %d bytes\n", o.State, len(o.Data))
		if mechanism == "CRAM-MD5" && o.State == saslkit.More {
			seen.Reset() // the challenge is decimal: its length varies
		}
		if o.State != saslkit.More {
			code, enhanced, text := o.Err.SMTP()
			typ, resp, imap := o.Err.IMAP()
			pop, popText := o.Err.POP3()
			fmt.Fprintln(&seen, code, enhanced, text, "|", typ, resp, imap, "|", pop, popText, "|", o.Err)
			return seen.String()
		}
		if response, err = c.Next(o.Data); err != nil {
			t.Fatal(err)
		}
	}
}

// TestToldAfterTheSecret: disabled and expired are told to who knows the secret.
func TestToldAfterTheSecret(t *testing.T) {
	m := verifiertest.NewMemory(
		verifiertest.User{Name: "di", Realm: testRealm, Password: "right", Disabled: true},
		verifiertest.User{Name: "ex", Realm: testRealm, Password: "right", Expired: true},
		verifiertest.User{Name: "al", Realm: testRealm, Password: "right"})
	for _, name := range withSecrets {
		for user, want := range map[string]mech.Class{"di": mech.Disabled, "ex": mech.Expired} {
			_, err := saslkittest.Client{Mechanism: name, Credentials: saslkit.Credentials{Username: user, Password: "right"}, Realm: realm.Policy{Default: testRealm}}.Login(site(m))
			wantClass(t, err, want)
		}
	}
}

// TestUnavailable: trouble is never a refusal, and a verifier that breaks its
// contract or panics lets nobody in.
func TestUnavailable(t *testing.T) {
	m := store(full("al"))
	for what, fault := range map[string]verifiertest.Fault{
		"error":                 {Err: errors.New("disk on fire")},
		"unavailable":           {Err: verifier.ErrUnavailable},
		"timeout":               {Err: context.DeadlineExceeded},
		"account without name":  {Empty: true},
		"panic":                 {Panic: "password=pw-al"},
		"both at the same time": {Err: fmt.Errorf("%w: %w", verifier.ErrNoUser, verifier.ErrUnavailable)},
	} {
		for _, name := range withSecrets {
			var log bytes.Buffer
			a := site(&verifiertest.Faulty{Verifier: m, Fault: fault})
			a.Logger = slog.New(slog.NewTextHandler(&log, nil))
			r, err := saslkittest.Client{Mechanism: name, Credentials: saslkit.Credentials{Username: "al", Password: password("al")}, Realm: realm.Policy{Default: testRealm}}.Login(a)
			if err == nil {
				t.Errorf("%s, %s: logged in as %+v", name, what, r)
				continue
			}
			wantClass(t, err, mech.Unavailable)
			if strings.Contains(log.String(), password("al")) {
				t.Errorf("%s, %s: the log holds the password", name, what)
			}
		}
	}
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := site(store(full("al")))
	peer := a.NewPeer(saslkit.PeerConfig{Context: ctx, Realm: realm.Policy{Default: testRealm}})
	x, err := peer.Start("PLAIN")
	if err != nil {
		t.Fatal(err)
	}
	if o := x.Step([]byte("\x00al\x00" + password("al"))); o.State != saslkit.Failed {
		t.Errorf("logged in under a cancelled context")
	} else if c := o.Err.Class; c != mech.Cancelled && c != mech.Unavailable {
		t.Errorf("class %q", c)
	}
}

func TestOneRecordForEachLogin(t *testing.T) {
	var log bytes.Buffer
	var events []saslkit.Event
	a := site(store(full("al")))
	a.Logger = slog.New(slog.NewTextHandler(&log, nil))
	a.Observer = func(e saslkit.Event) { events = append(events, e) }
	ch := saslkit.Channel{Secure: true, Remote: netip.MustParseAddrPort("192.0.2.7:1234")}
	c := saslkittest.Client{Channel: ch, Mechanism: "PLAIN", Credentials: saslkit.Credentials{Username: "al", Password: password("al")}, Realm: realm.Policy{Default: testRealm}}
	if _, err := c.Login(a); err != nil {
		t.Fatal(err)
	}
	c.Credentials.Username = "b\x1b[31mo"
	_, _ = c.Login(a) // refused: a control character
	c.Credentials.Username = strings.Repeat("u", 200)
	_, _ = c.Login(a)
	if _, err := peerOf(a).Start("EXTERNAL"); err == nil {
		t.Error("EXTERNAL without a certificate")
	}
	if _, err := peerOf(a).Start("X\x1b"); err == nil {
		t.Error("unknown mechanism")
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 5 || len(events) != 5 {
		t.Fatalf("%d lines, %d events:\n%s", len(lines), len(events), log.String())
	}
	for _, want := range []string{"msg=login", "result=ok", "user=al", "realm=example.com", "mech=PLAIN", "service=smtp", "remote=192.0.2.7", "tls=true"} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%q has no %s", lines[0], want)
		}
	}
	if !strings.Contains(lines[3], "mech=EXTERNAL") || !strings.Contains(lines[3], "the channel has proven no identity") {
		t.Errorf("%q does not say why EXTERNAL was turned away", lines[3])
	}
	if strings.ContainsRune(log.String(), 0x1b) {
		t.Error("an escape character reached the log")
	}
	if strings.Contains(lines[2], strings.Repeat("u", 129)) {
		t.Error("a long name was not cut")
	}
	if e := events[0]; e.Err != nil || e.User != "al" || e.Realm != testRealm || e.Duration <= 0 || e.Duration > time.Minute {
		t.Errorf("event %+v", e)
	}
}

// A server that asks about its client's password tells neither mechanism nor channel, and
// so log and event do not either, whether it is answered or turned away.
func TestLoginThroughProtocol(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]mech.Policy{"answered": {}, "turned away": {TLS: mech.NoPlaintext}} {
		var log strings.Builder
		var events []saslkit.Event
		a := &saslkit.Authenticator{
			Verifier: verifier.Static{"al": "pencil"}, Policy: policy,
			Logger: slog.New(slog.NewTextHandler(&log, nil)), Observer: func(e saslkit.Event) { events = append(events, e) },
		}
		ch := saslkit.Channel{Secure: true, Remote: netip.MustParseAddrPort("192.0.2.7:1234")}
		p := a.NewPeer(saslkit.PeerConfig{Service: "imap", Protocol: "saslauthd", Channel: func() saslkit.Channel { return ch }})
		_ = p.Login("al", "pencil")
		_ = p.Login("al", "crayon")
		p.Close()
		if len(events) != 2 {
			t.Fatalf("%s: %d events", name, len(events))
		}
		for _, e := range events {
			if e.Protocol != "saslauthd" || e.Mechanism != "" || e.Secure || e.Remote != ch.Remote || (e.Err == nil) != (name == "answered" && e == events[0]) {
				t.Errorf("%s: %+v", name, e)
			}
		}
		text := log.String()
		if strings.Count(text, " protocol=saslauthd service=imap remote=192.0.2.7") != 2 || strings.Contains(text, "mech=") || strings.Contains(text, "tls=") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestRepliesAreWhole(t *testing.T) {
	for c := mech.Malformed; c <= mech.ServerRefused; c++ {
		e := &saslkit.Error{Class: c, Code: "x", Err: errors.New("secret cause")}
		code, enhanced, text := e.SMTP()
		typ, _, imap := e.IMAP()
		_, pop := e.POP3()
		if code < 400 || code > 599 || enhanced[0] != code/100 || text == "" || imap != text || pop != text || typ != "NO" && typ != "BAD" {
			t.Errorf("%q: %d %v %q, %s %q, %q", c, code, enhanced, text, typ, imap, pop)
		}
		if all := text + imap + pop + e.Error(); strings.Contains(all, "cause") {
			t.Errorf("%q shows its cause to the peer: %s", c, all)
		}
	}
	if code, _, _ := new(saslkit.Error).SMTP(); code != 454 {
		t.Errorf("the zero Error is %d, want 454", code)
	}
}

func TestClientChoice(t *testing.T) {
	full := saslkit.Credentials{Username: "al", Password: "pw"}
	for _, c := range []struct {
		name  string
		cfg   saslkit.ClientConfig
		want  string
		class mech.Class
	}{
		{"strongest under TLS", saslkit.ClientConfig{Credentials: full, Offered: []string{"LOGIN", "PLAIN", "CRAM-MD5"}, Channel: tls}, "PLAIN", 0},
		{"nothing in the clear", saslkit.ClientConfig{Credentials: full, Offered: []string{"LOGIN", "PLAIN"}}, "", mech.EncryptionRequired},
		{"asked for by name", saslkit.ClientConfig{Credentials: full, Offered: []string{"PLAIN", "CRAM-MD5"}, Mechanisms: []string{"CRAM-MD5"}}, "CRAM-MD5", 0},
		{"order of the names", saslkit.ClientConfig{Credentials: full, Offered: []string{"plain", "cram-md5", "digest-md5"}, Mechanisms: []string{"CRAM-MD5", "DIGEST-MD5"}}, "CRAM-MD5", 0},
		{"not offered", saslkit.ClientConfig{Credentials: full, Offered: []string{"PLAIN"}, Mechanisms: []string{"CRAM-MD5"}}, "", mech.MechanismUnavailable},
		{"unknown", saslkit.ClientConfig{Credentials: full, Mechanisms: []string{"X"}}, "", mech.MechanismUnavailable},
		{"neither offered nor named", saslkit.ClientConfig{Credentials: full, Channel: tls}, "", mech.MechanismUnavailable},
		{"certificate first", saslkit.ClientConfig{Credentials: full, Offered: []string{"EXTERNAL", "PLAIN"}, Channel: proven}, "EXTERNAL", 0},
		{"no password", saslkit.ClientConfig{Credentials: saslkit.Credentials{Username: "al"}, Offered: []string{"PLAIN"}, Channel: tls}, "", mech.MechanismUnavailable},
		{"mutual authentication wanted", saslkit.ClientConfig{Credentials: full, Offered: []string{"PLAIN"}, Channel: tls, Policy: mech.Policy{TLS: mech.MutualAuth}}, "", mech.TooWeak},
		{"never anonymous by itself", saslkit.ClientConfig{Offered: []string{"ANONYMOUS"}, Channel: tls, Policy: anything}, "", mech.MechanismUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, err := saslkit.NewClient(c.cfg)
			if c.want == "" {
				wantClass(t, err, c.class)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, _, err := x.Start(); got != c.want || err != nil {
				t.Errorf("Start: %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

// TestCanary greps everything that a secret must not be in.
func TestCanary(t *testing.T) {
	const canary = "canary-7f3a-password"
	forms := []string{canary, base64.StdEncoding.EncodeToString([]byte(canary)), fmt.Sprintf("%x", canary), fmt.Sprintf("%v", []byte(canary))}
	var out strings.Builder
	var log bytes.Buffer
	m := verifiertest.NewMemory(verifiertest.User{Name: "al", Realm: testRealm, Password: canary},
		verifiertest.User{Name: "di", Realm: testRealm, Password: canary, Disabled: true})
	static := verifier.Static{"al": canary}
	credentials := saslkit.Credentials{Username: "al", Password: canary}
	for _, v := range []verifier.Verifier{m, static, verifier.Chain(static, m), &verifiertest.Faulty{Verifier: m, Fault: verifiertest.Fault{Panic: canary}},
		verifier.Passwords(func(context.Context, verifier.Request) (string, error) { return canary, nil })} {
		a := site(v)
		a.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		a.Observer = func(e saslkit.Event) { fmt.Fprintf(&out, "%v %+v %#v", e, e, e) }
		a.Logger.Info("x", "auth", a, "verifier", v, "credentials", credentials)
		for _, name := range withSecrets {
			for _, attempt := range []saslkit.Credentials{credentials, {Username: "al", Password: canary + "x"}, {Username: "di", Password: canary}, {Username: "a\x01", Password: canary}} {
				peer := peerOf(a)
				x, err := peer.Start(name)
				if err != nil {
					t.Fatal(err)
				}
				c, err := saslkit.NewClient(saslkit.ClientConfig{Credentials: attempt, Mechanisms: []string{name}, Policy: anything, Service: "smtp", Host: "h"})
				if err != nil {
					t.Fatal(err)
				}
				_, response, err := c.Start()
				show(&out, err)
				for range 4 {
					challenge, done, err := x.Next(response)
					show(&out, x, c, peer, a, err, attempt)
					if done || err != nil {
						break
					}
					if response, err = c.Next(challenge); err != nil {
						show(&out, err)
						break
					}
				}
				r, _ := peer.Result()
				show(&out, r, peer, *x)
				peer.Close()
			}
		}
		show(&out, v, a)
	}
	held, err := m.LookupSecret(t.Context(), verifier.Request{User: "al", Realm: testRealm}, verifier.KindPassword)
	if err != nil || string(held.Value) != canary {
		t.Fatal("the canary is not where it should be")
	}
	show(&out, held, &held, []verifier.Secret{held})
	all := out.String() + log.String()
	for _, form := range forms {
		if i := strings.Index(all, form); i >= 0 {
			t.Errorf("the canary shows as %q in …%.200q", form, all[max(0, i-100):])
		}
	}
	if len(all) < 10_000 {
		t.Errorf("only %d bytes were looked at", len(all))
	}
}

func show(out *strings.Builder, values ...any) {
	for _, v := range values {
		fmt.Fprintf(out, "%v|%+v|%#v|%s|%q|%x|%d\n", v, v, v, v, v, v, v)
	}
}

// A realm policy that is not the store's is told by the log, and not to the client.
func TestRealmThatTheStoreDoesNotKnow(t *testing.T) {
	t.Parallel()
	people := verifiertest.NewMemory(verifiertest.User{Name: "al", Realm: "example.com", Password: "pencil"})
	for _, c := range []struct {
		name, user string
		policy     realm.Policy
		want       string // in the log; "" for nothing
	}{
		{"no policy", "al", realm.Policy{}, `nobody in the realm "", but in ["example.com"]`},
		{"another case", "al", realm.Policy{Default: "Example.com"}, `nobody in the realm "Example.com", but in ["example.com"]`},
		{"the right one", "bo", realm.Policy{Default: "example.com"}, ""},
		{"one that is not served", "al@example.net", realm.Policy{Default: "example.com"}, ""},
	} {
		for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256"} {
			_, err := saslkittest.Client{
				Mechanism: mechanism, Channel: tls, Realm: c.policy,
				Credentials: saslkit.Credentials{Username: c.user, Password: "pencil"},
			}.Login(&saslkit.Authenticator{Verifier: people})
			var e *saslkit.Error
			if !errors.As(err, &e) || e.Class != mech.BadCredentials || !errors.Is(err, verifier.ErrNoUser) {
				t.Fatalf("%s, %s: %v", c.name, mechanism, err)
			}
			if got := e.Detail(); strings.Contains(got, "nobody in") != (c.want != "") || !strings.Contains(got, c.want) {
				t.Errorf("%s, %s: %q, want %q", c.name, mechanism, got, c.want)
			}
		}
	}
}

// A pretender has the methods of an error of the runtime.
type pretender string

func (p pretender) Error() string { return string(p) }

func (p pretender) RuntimeError() {}

// The log says where a store panicked, and what if that cannot be a secret.
func TestPanicSaysWhere(t *testing.T) {
	t.Parallel()
	var nowhere []string
	for name, c := range map[string]struct {
		lookup func() string
		want   string
	}{
		"a value of its own": {func() string { panic("pencil") }, "panic of type string in "},
		"of another's type":  {func() string { panic(pretender("pencil")) }, "panic of type saslkit_test.pretender in "},
		"of the runtime":     {func() string { return nowhere[7] }, "panic: runtime error: index out of range [7] with length 0 in "},
	} {
		users := verifier.Passwords(func(context.Context, verifier.Request) (string, error) { return c.lookup(), nil })
		_, err := saslkittest.Login(&saslkit.Authenticator{Verifier: users}, tls, "PLAIN", "al", "pencil")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "(peer_test.go:") || strings.Contains(err.Error(), "pencil") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A host that does not know our errors answers 454 to a wrong password: it is said once.
func TestMapErrorForgotten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mapError func(*saslkit.Error) error
		want     int
	}{
		"forgotten": {nil, 1},
		"set":       {func(e *saslkit.Error) error { return e }, 0},
	} {
		var log strings.Builder
		a := &saslkit.Authenticator{Verifier: store(full("al")), Logger: slog.New(slog.NewTextHandler(&log, nil))}
		for i := range 2 {
			peer := a.NewPeer(saslkit.PeerConfig{MapError: c.mapError, Channel: func() saslkit.Channel { return tls }})
			if _, err := peer.Start("PLAIN"); err != nil {
				t.Fatal(err)
			}
			if i == 0 && log.Len() > 0 { // Start is for hosts that know our errors
				t.Errorf("%s: %s", name, &log)
			}
			if _, err := peer.Authenticate("PLAIN"); err != nil {
				t.Fatal(err)
			}
			peer.Close()
		}
		if got := strings.Count(log.String(), "MapError is not set"); got != c.want {
			t.Errorf("%s: said %d times, want %d", name, got, c.want)
		}
	}
}
