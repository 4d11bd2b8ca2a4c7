package saslkit_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// A troubled verifier fails in some way that the library knows nothing of.
type troubled func() error

func (v troubled) VerifyPassword(context.Context, verifier.Request, string) (verifier.Account, error) {
	return verifier.Account{}, v()
}

// TestThrottle: guesses are throttled, across mechanisms and connections; trouble of a
// store is nobody's guess, whatever error or panic it is told by.
func TestThrottle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		verifier  troubled
		throttled bool
	}{
		{"wrong password", func() error { return verifier.ErrWrongPassword }, true},
		{"unknown user", func() error { return verifier.ErrNoUser }, true},
		{"unavailable", func() error { return verifier.ErrUnavailable }, false},
		{"an error of its own", func() error { return errors.New("connection reset") }, false},
		{"a panic", func() error { panic("nil map") }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			guard, err := verifier.NewThrottle(verifier.ThrottleOptions{MaxDelay: 1}) // answer at once instead of waiting
			if err != nil {
				t.Fatal(err)
			}
			a := &saslkit.Authenticator{Verifier: tt.verifier, Guard: guard}
			throttled := 0
			for i := range 30 {
				peer := a.NewPeer(saslkit.PeerConfig{Channel: func() saslkit.Channel {
					return saslkit.Channel{Secure: true, Remote: netip.MustParseAddrPort("192.0.2.1:40000")}
				}})
				var failure error
				if i%2 == 0 {
					failure = peer.Login("al", "guess")
				} else {
					x, err := peer.Start("PLAIN")
					if err != nil {
						t.Fatal(err)
					}
					failure = x.Step([]byte("\x00al\x00guess")).Err
				}
				if mech.AsError(failure).Code == "throttled" {
					throttled++
				}
				peer.Close()
			}
			if tt.throttled && throttled != 20 || !tt.throttled && throttled != 0 {
				t.Errorf("%d of 30 attempts were throttled", throttled)
			}
		})
	}
}
