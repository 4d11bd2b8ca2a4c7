package verifier

import (
	"cmp"
	"context"

	"github.com/saslkit/saslkit/internal/secret"
)

// Coverage implements SecretSource. Passwords are checked for those whom the verifier
// knows; the other kinds are what the store holds. That all have one is said only if
// the site says so ([TransitionOptions.Complete]). Users are counted where both can, and
// there are more of the verifier's than copies.
func (t *Transitioning) Coverage() Coverage {
	const check = Kinds(1 << KindCheck)
	from, to := CoverageOf(t.from), t.to.Coverage()
	c := Coverage{
		Some:   from.Some&check | to.Some&^check,
		All:    from.All & check,
		Users:  -1,
		Realms: to.Realms,
		Stores: to.Stores,
	}
	if from.Realms != nil && to.Realms != nil {
		c.Realms = unionOf(from.Realms, to.Realms)
	}
	copies := to.Serving([]Kind{KindOrigin})
	if to.Users > max(copies, 0) {
		c.All = 0 // the store's own users are not checked here
	}
	if t.o.Complete {
		c.All |= to.All &^ check
	}
	if missing := from.Users - copies; from.Users >= 0 && copies >= 0 && missing > 0 && !t.o.Complete {
		c.Users, c.Counts = from.Users+to.Users-copies, map[Kinds]int{check: missing}
		for kinds, users := range to.Counts {
			kinds &^= check
			if kinds.Has(KindOrigin) {
				kinds |= check
			}
			c.Counts[kinds] += users
		}
	}
	return c
}

// Own returns the users of the store who are no copies, whom from does not know or need
// not. A site that checks the passwords of both chains them:
//
//	verifier.Chain(t, t.Own())
//
// With the store itself in the place of Own, a password that was revoked would still
// open the copy.
func (t *Transitioning) Own() SecretSource { return &ownUsers{t: t} }

type ownUsers struct {
	secret.Opaque
	t *Transitioning
}

// String names the store.
func (o *ownUsers) String() string { return "own users of " + Name(o.t.to) }

// Coverage implements SecretSource.
func (o *ownUsers) Coverage() Coverage {
	c := o.t.to.Coverage()
	c.Stores = 0 // own users have no Update
	if c.Users < 0 || c.Counts == nil || !c.Some.Has(KindOrigin) {
		return c
	}
	own := Coverage{All: AllKinds, Counts: make(map[Kinds]int), Realms: c.Realms}
	for kinds, users := range c.Counts {
		if !kinds.Has(KindOrigin) {
			own.Some, own.All = own.Some|kinds, own.All&kinds
			own.Users += users
			own.Counts[kinds] = users
		}
	}
	if own.Users == 0 {
		own.All = 0
	}
	return own
}

// VerifyPassword implements Verifier.
func (o *ownUsers) VerifyPassword(ctx context.Context, r Request, password string) (Account, error) {
	return ofOwn(ctx, o.t.to, r, func() (Account, error) { return checked(o.t.to.VerifyPassword(ctx, r, password)) })
}

// LookupSecret implements SecretSource.
func (o *ownUsers) LookupSecret(ctx context.Context, r Request, kinds ...Kind) (Secret, error) {
	return ofOwn(ctx, o.t.to, r, func() (Secret, error) { return o.t.to.LookupSecret(ctx, r, kinds...) })
}

// ofOwn asks about a user who is no copy, before the question and after it. The store is
// asked for everybody, for a copy as for somebody who is not there.
func ofOwn[T any](ctx context.Context, store SecretSource, r Request, question func() (T, error)) (T, error) {
	var none T
	_, before, trouble := originOf(ctx, store, r)
	answer, err := question()
	_, after, more := originOf(ctx, store, r)
	switch trouble = cmp.Or(trouble, more); {
	case trouble != nil:
		return none, trouble
	case (before || after) && Answered(err):
		return none, ErrNoUser
	}
	return answer, err
}
