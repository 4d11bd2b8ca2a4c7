package verifier

import (
	"context"
	"errors"
)

// An Authorizer decides whether an account may act under another name. Without
// one everybody acts only as himself. Package acting has one that reads its rules
// from a file. Its methods may be called concurrently.
type Authorizer interface {
	// Authorize returns nil if a, whose credentials have been checked, may act
	// as the user of that realm. It returns an error matching ErrNotPermitted if
	// not, and one matching ErrUnavailable if it cannot tell. It is not called
	// when the two are the same.
	//
	// The name is cut by the realm policy, and prepared as authentication names
	// are, but for EXTERNAL, where it is as the client sent it. Nobody has looked
	// whether there is such a user.
	Authorize(ctx context.Context, a Account, user, realm string) error
}

// ErrNotPermitted: authenticated, but may not act as that identity.
var ErrNotPermitted = errors.New("verifier: may not act as the requested identity")
