package mech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

// A digestSite is a server of DIGEST-MD5 with one user, al, and remembered nonces.
type digestSite struct {
	cfg      ServerConfig
	password string
	lookups  int
	oneUser
}

func newDigestSite(t testing.TB, life time.Duration, entries int) *digestSite {
	t.Helper()
	s := &digestSite{cfg: ServerConfig{Service: "smtp"}, password: "secret"}
	if life > 0 {
		var err error
		if s.cfg.Nonces, err = NewNonces(life, entries); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *digestSite) LookupSecret(ctx context.Context, name, realm string, kinds []verifier.Kind) (verifier.Secret, error) {
	s.lookups++
	return oneUser{name: "al", held: verifier.Secret{Kind: verifier.KindPassword, Value: []byte(s.password)}}.LookupSecret(ctx, name, realm, kinds)
}

func (s *digestSite) server() Server { return DIGESTMD5.NewServer(&s.cfg, s) }

func digestClient(previous *Previous, change func(*ClientConfig)) Client {
	cfg := &ClientConfig{
		Credentials: Credentials{Username: "al", Password: "secret"},
		Service:     "smtp", Host: "h", Previous: previous,
	}
	if change != nil {
		change(cfg)
	}
	return DIGESTMD5.NewClient(cfg)
}

// A dialogue is what was said by both sides, and how it ended for them.
type dialogue struct {
	responses, challenges [][]byte
	server                Outcome
	client                error
}

// talk lets client and server talk until one of them has enough.
func talk(t testing.TB, c Client, s Server) (d dialogue) {
	t.Helper()
	response, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		d.responses = append(d.responses, bytes.Clone(response))
		d.server = s.Step(t.Context(), response)
		if d.server.State == Failed || d.server.Data == nil {
			break
		}
		d.challenges = append(d.challenges, d.server.Data)
		if response, err = c.Next(d.server.Data); err != nil {
			d.client = err
			return d
		}
		if d.server.State == Done {
			break
		}
	}
	if d.server.State == Done {
		d.client = c.Finish()
	}
	return d
}

func (d *dialogue) want(t testing.TB, what string, ok bool, messages int) {
	t.Helper()
	if got := d.server.State == Done && d.client == nil; got != ok || len(d.responses) != messages {
		t.Fatalf("%s: state %d, %v, %v after %d messages of the client; want %v after %d\n%q\n%q",
			what, d.server.State, d.server.Err, d.client, len(d.responses), ok, messages, d.responses, d.challenges)
	}
}

// TestSubsequentAuthentication: the second login takes one message of the client, and
// each counts one more.
func TestSubsequentAuthentication(t *testing.T) {
	t.Parallel()
	site, previous := newDigestSite(t, time.Hour, 0), new(Previous)
	d := talk(t, digestClient(previous, nil), site.server())
	d.want(t, "first", true, 2)
	for i := 2; i < 20; i++ {
		d = talk(t, digestClient(previous, nil), site.server())
		d.want(t, "again", true, 1)
		if want := fmt.Sprintf("nc=%08x,", i); !bytes.Contains(d.responses[0], []byte(want)) {
			t.Fatalf("login %d: %q, want %s", i, d.responses[0], want)
		}
		if d.server.Identity.Account.User != "al" || d.server.Identity.Authzid != "al" {
			t.Fatalf("logged in as %+v", d.server.Identity)
		}
	}
	if site.lookups != 19 {
		t.Errorf("%d look-ups for 19 logins", site.lookups)
	}
	fresh := newDigestSite(t, 0, 0)
	d = talk(t, digestClient(previous, nil), fresh.server())
	d.want(t, "a server that does not remember", true, 2)
	if bytes.Contains(d.challenges[0], []byte("stale")) {
		t.Errorf("challenge %q", d.challenges[0])
	}
}

// TestSubsequentRefusals is what the server does with a response that comes first.
func TestSubsequentRefusals(t *testing.T) {
	t.Parallel()
	const challenge, stale = "challenge", "stale challenge"
	for _, c := range []struct {
		name    string
		change  func(*digestSite, *digestResponse)
		want    string // or a code
		lookups int
	}{
		{"as it should be", nil, "", 1},
		{"a higher count", func(_ *digestSite, r *digestResponse) { r.nc = "000000ff" }, "", 1},
		{"a count that was used", func(s *digestSite, r *digestResponse) { s.use(r) }, stale, 1},
		{"a nonce that is too old", func(s *digestSite, _ *digestResponse) { s.later(2 * time.Hour) }, stale, 1},
		{"a nonce of the last moment", func(s *digestSite, _ *digestResponse) { s.later(time.Hour) }, "", 1},
		{"a wrong password", func(s *digestSite, _ *digestResponse) { s.password = "changed" }, "bad-credentials", 1},
		{"a wrong password and an old nonce", func(s *digestSite, _ *digestResponse) { s.password = "x"; s.later(2 * time.Hour) }, "bad-credentials", 1},
		{"an unknown nonce", func(_ *digestSite, r *digestResponse) { r.nonce += "x" }, challenge, 0},
		{"another nonce of the client", func(_ *digestSite, r *digestResponse) { r.cnonce += "x" }, challenge, 0},
		{"somebody else", func(_ *digestSite, r *digestResponse) { r.username = "bob" }, challenge, 0},
		{"another realm", func(_ *digestSite, r *digestResponse) { r.realm = "other.example" }, challenge, 0},
		{"another service", func(_ *digestSite, r *digestResponse) { r.uri = "imap/h" }, "bad-uri", 1},
		{"with a layer", func(_ *digestSite, r *digestResponse) { r.qop = qopInt }, challenge, 0},
		{"where a layer must be", func(s *digestSite, _ *digestResponse) { s.cfg.Layers = &Layers{Min: 1, Max: 1} }, challenge, 0},
		{"a count of 1", func(_ *digestSite, r *digestResponse) { r.nc = firstCount }, "protocol", 0},
		{"a count of 0", func(_ *digestSite, r *digestResponse) { r.nc = "00000000" }, "protocol", 0},
		{"nothing remembered", func(s *digestSite, _ *digestResponse) { s.cfg.Nonces = nil }, challenge, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			site, previous := newDigestSite(t, time.Hour, 0), new(Previous)
			d := talk(t, digestClient(previous, nil), site.server())
			d.want(t, "first", true, 2)
			r, ok := previous.take(&ClientConfig{Credentials: Credentials{Username: "al"}, Service: "smtp", Host: "h"})
			if !ok {
				t.Fatal("nothing is remembered")
			}
			if c.change != nil {
				c.change(site, &r)
			}
			site.lookups = 0
			value := r.compute(r.ha1(r.userHash(verifier.Secret{Kind: verifier.KindPassword, Value: []byte("secret")}, 0)), "AUTHENTICATE:")
			r.response = string(value[:])
			o := site.server().Step(t.Context(), r.append(nil))
			got := ""
			switch o.State {
			case Failed:
				got = o.Err.Code
			case More:
				got = challenge
				if strings.Contains(string(o.Data), "stale=true") {
					got = stale
				}
				if !strings.Contains(string(o.Data), `nonce="`) || strings.Contains(string(o.Data), r.nonce) {
					t.Errorf("challenge %q", o.Data)
				}
			}
			if got != c.want || site.lookups != c.lookups {
				t.Errorf("%q after %d look-ups, want %q after %d", got, site.lookups, c.want, c.lookups)
			}
		})
	}
}

// use takes the count of a response.
func (s *digestSite) use(r *digestResponse) { s.cfg.Nonces.take(r) }

// later moves the clock.
func (s *digestSite) later(d time.Duration) {
	at := s.cfg.Nonces.now().Add(d)
	if used := s.cfg.Nonces.known; len(used) == 1 {
		for _, u := range used {
			at = u.since.Add(d)
		}
	}
	s.cfg.Nonces.now = func() time.Time { return at }
}

// TestStaleLogin: after a challenge that says stale the client logs in with the
// password that it has.
func TestStaleLogin(t *testing.T) {
	t.Parallel()
	site, previous := newDigestSite(t, time.Hour, 0), new(Previous)
	d := talk(t, digestClient(previous, nil), site.server())
	d.want(t, "first", true, 2)
	site.later(2 * time.Hour)
	d = talk(t, digestClient(previous, nil), site.server())
	d.want(t, "stale", true, 2)
	if !bytes.Contains(d.challenges[0], []byte("stale=true")) {
		t.Errorf("challenge %q", d.challenges[0])
	}
	d = talk(t, digestClient(previous, nil), site.server())
	d.want(t, "again", true, 1)
}

// TestTranscriptReplayed: what was said in full and in subsequent logins does for
// nobody a second time, at this server and at a fresh one.
func TestTranscriptReplayed(t *testing.T) {
	t.Parallel()
	site, previous := newDigestSite(t, time.Hour, 0), new(Previous)
	var heard []dialogue
	for range 4 {
		heard = append(heard, talk(t, digestClient(previous, nil), site.server()))
	}
	for where, s := range map[string]*digestSite{"the same": site, "a fresh one": newDigestSite(t, time.Hour, 0), "without memory": newDigestSite(t, 0, 0)} {
		for i, d := range heard {
			server := s.server()
			for _, response := range append(d.responses, d.responses...) {
				if len(response) == 0 {
					response = nil
				}
				if o := server.Step(t.Context(), response); o.State == Done {
					t.Errorf("%s server: login %d is let in again by %q", where, i+1, response)
				}
			}
		}
	}
}

// TestNoncesAreBounded: the oldest makes room.
func TestNoncesAreBounded(t *testing.T) {
	t.Parallel()
	site := newDigestSite(t, time.Hour, 3)
	previous := make([]Previous, 5)
	for i := range previous {
		d := talk(t, digestClient(&previous[i], nil), site.server())
		d.want(t, "first", true, 2)
	}
	if n := len(site.cfg.Nonces.known); n != 3 {
		t.Errorf("%d nonces are kept, want 3", n)
	}
	for _, i := range []int{4, 3, 2, 1, 0} {
		messages := 1
		if i < 2 {
			messages = 2
		}
		d := talk(t, digestClient(&previous[i], nil), site.server())
		d.want(t, fmt.Sprint("client ", i), true, messages)
	}
	for _, c := range []struct {
		life    time.Duration
		entries int
	}{{0, 1}, {-1, 1}, {25 * time.Hour, 1}, {1, -1}, {1, maxNonces + 1}} {
		if n, err := NewNonces(c.life, c.entries); n != nil || !errors.Is(err, ErrNonces) {
			t.Errorf("%v, %d entries: %v", c.life, c.entries, err)
		}
	}
}

// TestNoncesFailedLogins: who does not get in takes no room.
func TestNoncesFailedLogins(t *testing.T) {
	t.Parallel()
	site := newDigestSite(t, time.Hour, 0)
	for range 3 {
		talk(t, digestClient(nil, func(c *ClientConfig) { c.Password = "wrong" }), site.server())
	}
	if n := len(site.cfg.Nonces.known); n != 0 {
		t.Errorf("%d nonces are kept", n)
	}
}

// TestNonceUsedOnce: of many who send the same message at once one gets in.
func TestNonceUsedOnce(t *testing.T) {
	t.Parallel()
	site, previous := newDigestSite(t, time.Hour, 0), new(Previous)
	talk(t, digestClient(previous, nil), site.server())
	response, err := digestClient(previous, nil).Start()
	if err != nil || response == nil {
		t.Fatalf("%q, %v", response, err)
	}
	in := make(chan bool, 8)
	var wait sync.WaitGroup
	for range cap(in) {
		wait.Go(func() {
			s := DIGESTMD5.NewServer(&site.cfg, oneUser{name: "al", held: verifier.Secret{Kind: verifier.KindPassword, Value: []byte("secret")}})
			if s.Step(t.Context(), response).State == Done {
				in <- true
			}
		})
	}
	wait.Wait()
	if len(in) != 1 {
		t.Errorf("%d got in", len(in))
	}
}

// TestPreviousIsForOneLogin: another user, service or policy begins anew, and what
// failed is not tried again.
func TestPreviousIsForOneLogin(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ClientConfig){
		"another user":    func(c *ClientConfig) { c.Username = "bob" },
		"another realm":   func(c *ClientConfig) { c.Realm = "other.example" },
		"another service": func(c *ClientConfig) { c.Service = "imap" },
		"another host":    func(c *ClientConfig) { c.Host = "other" },
		"acting":          func(c *ClientConfig) { c.Authzid = "shared" },
		"with a layer":    func(c *ClientConfig) { c.Layers = Layers{Max: 1} },
	} {
		site, previous := newDigestSite(t, time.Hour, 0), new(Previous)
		talk(t, digestClient(previous, nil), site.server())
		if response, err := digestClient(previous, change).Start(); response != nil || err != nil {
			t.Errorf("%s: %q, %v", name, response, err)
		}
	}
	site, previous := newDigestSite(t, time.Hour, 0), new(Previous)
	talk(t, digestClient(previous, nil), site.server())
	d := talk(t, digestClient(previous, func(c *ClientConfig) { c.Password = "wrong" }), site.server())
	d.want(t, "wrong password", false, 1)
	d = talk(t, digestClient(previous, nil), site.server())
	d.want(t, "after it", true, 2)
	if s := fmt.Sprintf("%v %+v", previous, site.cfg.Nonces); s != "REDACTED REDACTED" {
		t.Error(s)
	}
}

// TestSubsequentImpostor: a server that answers with another proof is none.
func TestSubsequentImpostor(t *testing.T) {
	t.Parallel()
	site, previous := newDigestSite(t, time.Hour, 0), new(Previous)
	first := talk(t, digestClient(previous, nil), site.server())
	c := digestClient(previous, nil)
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := c.Next(first.challenges[1]); !errors.As(err, &e) || e.Class != ServerNotVerified || c.Finish() == nil {
		t.Errorf("an old rspauth: %v, %v", err, c.Finish())
	}
	talk(t, digestClient(previous, nil), site.server())
	c = digestClient(previous, nil)
	if _, err := c.Start(); err != nil || c.Finish() == nil {
		t.Errorf("no rspauth: %v, %v", err, c.Finish())
	}
}
