package verifier

import (
	"context"
	"slices"
)

// Passwords makes a SecretSource of one callback that returns the password of
// r.User in r.Realm, for the server that keeps its users in a place of its own.
// The callback returns ErrNoUser for an unknown user; an empty password with a
// nil error counts as ErrNoSecret, so that a query without rows lets nobody in.
// It may be called concurrently.
func Passwords(lookup func(ctx context.Context, r Request) (string, error)) SecretSource {
	return passwords(lookup)
}

type passwords func(context.Context, Request) (string, error)

func (passwords) Coverage() Coverage { return Declared(KindPassword) }

func (p passwords) VerifyPassword(ctx context.Context, r Request, password string) (Account, error) {
	return VerifyStored(ctx, p, r, password)
}

func (p passwords) LookupSecret(ctx context.Context, r Request, kinds ...Kind) (Secret, error) {
	if err := ctx.Err(); err != nil {
		return Secret{}, err
	}
	stored, err := p(ctx, r)
	if err != nil && !Terminal(err) {
		return Secret{}, err
	}
	if stored == "" || !slices.Contains(kinds, KindPassword) {
		return Secret{}, ErrNoSecret
	}
	return Secret{Kind: KindPassword, Value: []byte(stored), Account: Account{User: r.User, Realm: r.Realm}}, err
}
