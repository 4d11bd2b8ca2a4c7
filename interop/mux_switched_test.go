//go:build linux

package interop

import (
	"context"
	"sync/atomic"

	"github.com/saslkit/saslkit/verifier"
)

// A switched verifier answers with an error as long as one is set.
type switched struct {
	verifier.Verifier
	err atomic.Pointer[error]
}

func (s *switched) set(err error) { s.err.Store(&err) }

func (s *switched) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if err := s.err.Load(); err != nil && *err != nil {
		return verifier.Account{}, *err
	}
	return s.Verifier.VerifyPassword(ctx, r, password)
}
