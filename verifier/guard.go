package verifier

import (
	"context"
	"errors"
)

// A Guard throttles guessing. Its methods may be called concurrently.
type Guard interface {
	// Admit is called once the name is known and before any secret is read.
	// It may wait, within the context, or refuse with an error matching
	// ErrThrottled. The caller calls done exactly once with the outcome of
	// the exchange: nil refunds the attempt, anything else keeps it counted.
	// An exchange that is abandoned is settled with ErrAbandoned.
	Admit(ctx context.Context, r Request) (done func(error), err error)
}

var (
	// ErrThrottled: too many failures lately. The peer is told to come back
	// later, not that the password is wrong.
	ErrThrottled = errors.New("verifier: too many failed attempts")
	// ErrAbandoned: the peer cancelled or went away in the middle.
	ErrAbandoned = errors.New("verifier: exchange was abandoned")
)

// An Authorizer decides whether an account may act under another name. Without
// one everybody acts only as himself.
type Authorizer interface {
	// Authorize returns nil if a, whose credentials have been checked, may act
	// as the user of that realm. It returns ErrNotPermitted if not, and an
	// error matching ErrUnavailable if it cannot tell. It is not called when
	// the two are the same.
	Authorize(ctx context.Context, a Account, user, realm string) error
}

// ErrNotPermitted: authenticated, but may not act as that identity.
var ErrNotPermitted = errors.New("verifier: may not act as the requested identity")
