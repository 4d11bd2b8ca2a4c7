package verifier_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// A Throttle in its place: who guesses waits and is then told to come again later, and
// the store is not asked.
func TestThrottleInAnAuthenticator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := verifiertest.NewMemory(testUsers("")...)
		guard, err := verifier.NewThrottle(verifier.ThrottleOptions{Limit: 12})
		if err != nil {
			t.Fatal(err)
		}
		auth := &saslkit.Authenticator{Verifier: store, Guard: guard}
		login := func(ctx context.Context, user, password string) (time.Duration, error) {
			peer := auth.NewPeer(saslkit.PeerConfig{Context: ctx, Service: "imap", Channel: func() saslkit.Channel {
				return saslkit.Channel{Secure: true, Remote: request("", "").Remote}
			}})
			defer peer.Close()
			start := time.Now()
			err := peer.Login(user, password)
			return time.Since(start), err
		}
		class := func(err error) (c mech.Class) {
			var e *saslkit.Error
			if errors.As(err, &e) {
				c = e.Class
			}
			return c
		}
		ctx := t.Context()
		if waited, err := login(ctx, "bob", bobsPassword); waited != 0 || err != nil {
			t.Errorf("bob: waited %v, %v", waited, err)
		}
		for i, want := range []time.Duration{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 * time.Second, 4 * time.Second} {
			waited, err := login(ctx, []string{"alice", "nobody"}[i%2], bobsPassword)
			if waited != want || class(err) != mech.BadCredentials {
				t.Errorf("guess %d: waited %v, %v", i+1, waited, err)
			}
		}
		if n := checks(store, func() {
			_, err := login(ctx, "alice", alicesPassword)
			if class(err) != mech.Unavailable || !errors.Is(err, verifier.ErrThrottled) {
				t.Errorf("after the limit: %v", err)
			}
		}); n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
		if waited, err := login(ctx, "bob", bobsPassword); waited != 0 || err != nil {
			t.Errorf("bob, who is known here: waited %v, %v", waited, err)
		}
	})
}
