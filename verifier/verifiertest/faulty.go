package verifiertest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// Faulty wraps a verifier and fails as backends do. It serves whatever the
// wrapped one serves and has its coverage. The fields are set before use; the
// zero Fault does no harm. It may be used concurrently and prints as REDACTED.
//
// To have two faults, wrap twice.
type Faulty struct {
	secret.Opaque

	Verifier verifier.Verifier // what is wrapped
	Fault    Fault
	Nth      int64        // the call that fails, from 1, counted over VerifyPassword, LookupSecret and Update; 0 for every call
	Calls    atomic.Int64 // calls so far; may be read and reset at any time
}

var _ verifier.SecretStore = (*Faulty)(nil)

// A Fault is what goes wrong in a call, in the order of the fields.
type Fault struct {
	// Delay passes before anything else, or the context's error is returned.
	Delay time.Duration
	// Panic is what the call panics with, unless nil.
	Panic any
	// Err is returned in place of an answer, unless nil.
	Err error
	// Empty makes the call succeed with an empty account or secret, as a query
	// without rows does when its error is swallowed. An Update stores nothing.
	Empty bool
}

// errEmpty takes Fault.Empty from strike to the method.
var errEmpty = errors.New("verifiertest: empty answer")

// strike counts the call and carries out the fault if it is due. On a nil error
// the wrapped verifier is asked.
func (f *Faulty) strike(ctx context.Context) error {
	if n := f.Calls.Add(1); f.Nth != 0 && n != f.Nth {
		return nil
	}
	if f.Fault.Delay > 0 {
		t := time.NewTimer(f.Fault.Delay)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	if f.Fault.Panic != nil {
		panic(f.Fault.Panic)
	}
	if f.Fault.Err != nil {
		return f.Fault.Err
	}
	if f.Fault.Empty {
		return errEmpty
	}
	return nil
}

// Coverage implements [verifier.SecretSource]. It never fails.
func (f *Faulty) Coverage() verifier.Coverage { return verifier.CoverageOf(f.Verifier) }

// VerifyPassword implements [verifier.Verifier].
func (f *Faulty) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	switch err := f.strike(ctx); {
	case err == errEmpty:
		return verifier.Account{}, nil
	case err != nil:
		return verifier.Account{}, err
	}
	return f.Verifier.VerifyPassword(ctx, r, password)
}

// LookupSecret implements [verifier.SecretSource]. If the wrapped verifier is none,
// nobody has a secret.
func (f *Faulty) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	switch err := f.strike(ctx); {
	case err == errEmpty:
		return verifier.Secret{}, nil
	case err != nil:
		return verifier.Secret{}, err
	}
	s, ok := verifier.SourceOf(f.Verifier)
	if !ok {
		return verifier.Secret{}, verifier.ErrNoSecret
	}
	return s.LookupSecret(ctx, r, kinds...)
}

// Update implements [verifier.SecretStore]. If the wrapped verifier is none, the
// error matches [errors.ErrUnsupported].
func (f *Faulty) Update(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	switch err := f.strike(ctx); {
	case err == errEmpty:
		return nil
	case err != nil:
		return err
	}
	s, ok := f.Verifier.(verifier.SecretStore)
	if !ok {
		return fmt.Errorf("verifiertest: store cannot be written: %w", errors.ErrUnsupported)
	}
	return s.Update(ctx, r, change)
}
