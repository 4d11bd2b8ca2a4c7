package interop

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// A protocol is what the tests of the last round say in SMTP and in IMAP.
type protocol struct {
	start     func(testing.TB, setup) (*lab, *dialog)
	begin     string // DIGEST-MD5
	challenge string
	success   string
	cancelled string
	plain     string // a good login by PLAIN
}

var protocols = map[string]protocol{
	"smtp": {
		start: func(t testing.TB, s setup) (*lab, *dialog) {
			l := smtpLab(t, s)
			d, _ := smtpDialog(t, l, inClear)
			return l, d
		},
		begin: "AUTH DIGEST-MD5", challenge: "334 ", success: "235 ", cancelled: "501 ", plain: "AUTH PLAIN " + goodPLAIN,
	},
	"imap": {
		start: func(t testing.TB, s setup) (*lab, *dialog) {
			l := imapLab(t, s)
			d, _ := imapDialog(t, l, inClear)
			return l, d
		},
		begin: "a AUTHENTICATE DIGEST-MD5", challenge: "+ ", success: "a OK", cancelled: "a BAD", plain: "a AUTHENTICATE PLAIN " + goodPLAIN,
	},
}

// digestToFinal runs DIGEST-MD5 until the server has sent its proof and returns
// the response that led there.
func (p protocol) digestToFinal(t testing.TB, d *dialog, service string) string {
	t.Helper()
	answer := answers(t, "DIGEST-MD5", service)
	d.say(p.begin)
	response := answer(d.expect(p.challenge))
	d.say(response)
	answer(d.expect(p.challenge)) // our client verifies rspauth
	return response
}

// Neither host can carry data with success: it is one more challenge, and what
// comes back does not matter.
func TestFinalData(t *testing.T) {
	for service, p := range protocols {
		for name, acknowledge := range map[string]func(previous string) string{
			"empty line":            func(string) string { return "" },
			"equals sign":           func(string) string { return "=" },
			"anything":              func(string) string { return b64("whatever it is") },
			"the previous response": func(previous string) string { return previous },
		} {
			t.Run(service+"/"+name, func(t *testing.T) {
				t.Parallel()
				guard := &countingGuard{}
				l, d := p.start(t, setup{auth: guarded(guard)})
				d.say(acknowledge(p.digestToFinal(t, d, service)))
				d.expect(p.success)
				d.conn.Close()
				wantResult(t, l.seen(t), "DIGEST-MD5", false)
				guard.want(t, nil)
			})
		}
		t.Run(service+"/cancel", func(t *testing.T) {
			t.Parallel()
			guard := &countingGuard{}
			l, d := p.start(t, setup{auth: guarded(guard)})
			p.digestToFinal(t, d, service)
			d.say("*")
			d.expect(p.cancelled)
			d.conn.Close()
			if s := l.seen(t); len(s.results) != 0 {
				t.Errorf("logged in after a cancel: %+v", s.results)
			}
			guard.want(t, verifier.ErrAbandoned)
		})
	}
}

// guarded is labAuth with a guard.
func guarded(g verifier.Guard) *saslkit.Authenticator {
	auth := labAuth()
	auth.Guard = g
	return auth
}

// A countingGuard admits everybody and remembers how it ended.
type countingGuard struct {
	mu       sync.Mutex
	admitted int
	ends     []error
}

func (g *countingGuard) Admit(context.Context, verifier.Request) (func(error), error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.admitted++
	return func(err error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.ends = append(g.ends, err)
	}, nil
}

// want checks that the attempts were admitted and settled once each, in this
// order.
func (g *countingGuard) want(t *testing.T, ends ...error) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.admitted != len(ends) {
		t.Errorf("the guard admitted %d attempts, want %d", g.admitted, len(ends))
	}
	if !slices.EqualFunc(g.ends, ends, func(got, want error) bool { return errors.Is(got, want) }) {
		t.Errorf("the attempts ended with %v, want %v", g.ends, ends)
	}
}

// What was under way when the client left, or turned to something else, counts
// as a failure.
func TestGuardSettled(t *testing.T) {
	for service, p := range protocols {
		t.Run(service+"/disconnect", func(t *testing.T) {
			t.Parallel()
			guard := &countingGuard{}
			l, d := p.start(t, setup{auth: guarded(guard)})
			p.digestToFinal(t, d, service)
			d.conn.Close()
			if s := l.seen(t); len(s.results) != 0 || len(s.events) != 1 || s.events[0].Err.Class != mech.Cancelled {
				t.Errorf("seen: results %+v, events %+v", s.results, s.events)
			}
			guard.want(t, verifier.ErrAbandoned)
		})
		t.Run(service+"/another login", func(t *testing.T) {
			t.Parallel()
			guard := &countingGuard{}
			l, d := p.start(t, setup{auth: guarded(guard)})
			p.digestToFinal(t, d, service)
			d.say("*")
			d.expect(p.cancelled)
			d.say(p.plain)
			d.expect(p.success)
			d.conn.Close()
			l.seen(t)
			guard.want(t, verifier.ErrAbandoned, nil)
		})
		t.Run(service+"/before the name", func(t *testing.T) {
			t.Parallel()
			guard := &countingGuard{}
			l, d := p.start(t, setup{auth: guarded(guard)})
			d.say(p.begin)
			d.expect(p.challenge)
			d.conn.Close()
			l.seen(t)
			guard.want(t)
		})
	}
}

// Behind a proxy that ends TLS the socket knows nothing; the Channel is what the
// proxy said.
func TestProxy(t *testing.T) {
	client := netip.MustParseAddrPort("203.0.113.7:40000")
	for service, p := range protocols {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			l, d := p.start(t, setup{
				auth: &saslkit.Authenticator{Verifier: verifier.Static{labUser: labPassword}},
				channel: func(conn net.Conn) saslkit.Channel {
					return saslkit.Channel{Secure: true, External: labUser, Remote: client, Local: saslkit.ServerConn(conn, nil).Local}
				},
			})
			d.say(p.plain)
			d.expect(p.success)
			d.conn.Close()
			s := l.seen(t)
			wantResult(t, s, "PLAIN", true)
			if got := s.events[0].Remote; got != client {
				t.Errorf("the login came from %v, want %v", got, client)
			}
		})
	}
}
