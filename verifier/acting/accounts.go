package acting

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// Accounts asks a store about whom somebody is to act as, once rules allow it: a
// disabled or expired account is nobody to act as. The store tells that of accounts
// with secrets that it can hand out; of one for which it can only check a password it
// does not. The request has neither service nor address.
//
// While the store cannot be asked, nobody acts as somebody else: the error matches
// [verifier.ErrUnavailable].
type Accounts struct {
	secret.Opaque                       // fmt would print the store without asking it
	Rules         verifier.Authorizer   // must be set
	Store         verifier.SecretSource // must be set
	// Known refuses whom the store does not know. Otherwise an address without an
	// account of its own, for several people to act as, is allowed, and so is, with a
	// pattern, a name that is misspelt. In a chain only links that are a
	// SecretSource know anybody. One that says of everybody that he has no secret, as
	// a directory that is asked by binding, knows nobody.
	Known bool
}

var _ verifier.Authorizer = (*Accounts)(nil)

// Authorize implements [verifier.Authorizer]. The error matches
// [verifier.ErrNotPermitted], or [verifier.ErrUnavailable] while the store cannot tell.
func (c *Accounts) Authorize(ctx context.Context, a verifier.Account, user, realmName string) error {
	if err := c.Rules.Authorize(ctx, a, user, realmName); err != nil {
		return err
	}
	err := c.lookup(ctx, user, realmName)
	if c.Known && errors.Is(err, verifier.ErrNoSecret) && !errors.Is(err, verifier.ErrUnavailable) {
		err = c.distinguish(ctx, realmName)
	}
	switch {
	case !verifier.Answered(err):
		return fmt.Errorf("acting: looking for %.200q: %w: %w", realm.Join(user, realmName), verifier.ErrUnavailable, err)
	case verifier.Terminal(err), c.Known && err != nil:
		// Not as what the store said: that would be about who logs in.
		return fmt.Errorf("acting: %.200q: %v: %w", realm.Join(user, realmName), err, verifier.ErrNotPermitted)
	}
	return nil
}

func (c *Accounts) lookup(ctx context.Context, user, realmName string) error {
	_, err := c.Store.LookupSecret(ctx, verifier.Request{User: user, Realm: realmName}, handedOut()...)
	return err
}

// distinguish returns nil if the store means that a user exists when it says that he has
// no secret: of a name that nobody has it then says something else.
func (c *Accounts) distinguish(ctx context.Context, realmName string) error {
	err := c.lookup(ctx, rand.Text(), realmName)
	switch {
	case !verifier.Answered(err):
		return err
	case errors.Is(err, verifier.ErrNoUser):
		return nil
	}
	return fmt.Errorf("%w: nor has anybody, so it is not known who exists", verifier.ErrNoSecret)
}

// handedOut are the kinds of secret that a store can hand out.
func handedOut() []verifier.Kind {
	return slices.Collect((verifier.AllKinds &^ verifier.KindsOf(verifier.KindCheck)).All())
}
