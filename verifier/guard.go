package verifier

import (
	"context"
	"errors"
)

// A Guard throttles guessing; [NewThrottle] makes one. Its methods may be called
// concurrently.
type Guard interface {
	// Admit is called once the name is known and before any secret is read.
	// It may wait, within the context, or refuse with an error matching
	// ErrThrottled. The caller calls done exactly once with the outcome of
	// the exchange: nil refunds the attempt, anything else keeps it counted.
	// An exchange that is abandoned is settled with ErrAbandoned. Where a client
	// shows a token and no name, r.User is made from the token: "token" and a hash.
	Admit(ctx context.Context, r Request) (done func(error), err error)
}

var (
	// ErrThrottled: too many failures lately. The peer is told to come back
	// later, not that the password is wrong.
	ErrThrottled = errors.New("verifier: too many failed attempts")
	// ErrAbandoned: the peer cancelled or went away in the middle.
	ErrAbandoned = errors.New("verifier: exchange was abandoned")
)
