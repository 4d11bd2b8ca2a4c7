package daemon

import (
	"context"
	"errors"
	"testing"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// Trouble of ours: to the clients that take every FAIL for a wrong password it is told by
// hanging up, after what else is being worked on was answered.
func TestDovecotTrouble(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]verifiertest.Fault{
		"unavailable":     {Err: verifier.ErrUnavailable},
		"unknown":         {Err: errors.New("no idea")},
		"panic":           {Panic: "at the disco"},
		"nil map":         {Panic: errors.New("assignment to entry in nil map")},
		"nobody":          {Empty: true},
		"throttled":       {Err: verifier.ErrThrottled},
		"context expired": {Err: context.DeadlineExceeded},
		"context ended":   {Err: context.Canceled},
	} {
		for _, minor := range []string{"0", "1", "2"} {
			t.Run(name+" of minor "+minor, func(t *testing.T) {
				t.Parallel()
				g := newGate(t)
				split := splitStore{slow: g, rest: &verifiertest.Faulty{Verifier: g, Fault: fault}}
				r := serveAuth(t, permissive(split))
				c := dialDovecot(t, r.socket)
				c.say("VERSION 1 "+minor, authPlain(1, "slow", "secret"), authPlain(2, "slow", "wrong"))
				g.await(t, 2)
				c.ask("AUTH 4 LOGIN service=smtp resp=YWxpY2U=", "CONT 4 UGFzc3dvcmQ6") // waits for us: it is not answered
				c.say(authPlain(3, "alice", "secret"))
				if minor != "0" {
					c.want("FAIL 3 user=alice@example.org temp code=temp_fail")
				} else {
					eventually(t, "it is hung up", func() bool { return hungUp(r) })
				}
				g.letThrough()
				got := []string{c.line(), c.line()}
				if got[0] > got[1] {
					got[0], got[1] = got[1], got[0]
				}
				if got[0] != "FAIL 2 user=slow@example.org" || got[1] != "OK 1 user=slow@example.org" {
					t.Errorf("the others get %q", got)
				}
				if minor == "0" {
					c.want("end")
				} else {
					c.ask(authPlain(5, "slow", "secret"), "OK 5 user=slow@example.org")
				}
			})
		}
	}
}

// hungUp reports whether the only connection is one that should end.
func hungUp(r *running) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		return c.Stopping()
	}
	return false
}

// A splitStore asks two stores.
type splitStore struct{ slow, rest verifier.Verifier }

func (s splitStore) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if r.User == "slow" {
		return s.slow.VerifyPassword(ctx, r, password)
	}
	return s.rest.VerifyPassword(ctx, r, password)
}

func (s splitStore) Coverage() verifier.Coverage { return verifier.CoverageOf(s.slow) }

func (s splitStore) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	return s.rest.(verifier.SecretSource).LookupSecret(ctx, r, kinds...)
}
