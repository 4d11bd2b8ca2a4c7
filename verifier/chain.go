package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
)

// Chain asks its links in turn until one says yes.
//
// An unknown user, a wrong password and a missing secret go on to the next
// link; a disabled or expired account ends the chain, so that it does not come
// back to life in a later store. An unavailable link is passed over, but if then
// nobody says yes the answer is ErrUnavailable and not a refusal. Of several
// refusals the one that knows most is returned, for the log: wrong password, then
// missing secret, then unknown user.
//
// The coverage of a chain is the union of what some users have and the
// intersection of what all have. Secrets come from the links that hold any. A chain is
// not written to, so OTP needs a store of its own.
func Chain(links ...Verifier) SecretSource {
	return &chain{links: slices.Clone(links)}
}

type chain struct {
	secret.Opaque // fmt would print the links without asking them
	links         []Verifier
}

// String names the links.
func (c *chain) String() string {
	var names []string
	for _, v := range c.links {
		names = append(names, Name(v))
	}
	return "chain of " + strings.Join(names, ", ")
}

func (c *chain) Coverage() Coverage {
	var all Coverage
	for i, v := range c.links {
		if i == 0 {
			all = CoverageOf(v)
			continue
		}
		all = all.Union(CoverageOf(v))
	}
	all.Stores = 0 // a chain has no Update
	return all
}

func (c *chain) VerifyPassword(ctx context.Context, r Request, password string) (Account, error) {
	return ask(c.links, func(v Verifier) (Account, error) {
		return checked(v.VerifyPassword(ctx, r, password))
	})
}

func (c *chain) LookupSecret(ctx context.Context, r Request, kinds ...Kind) (Secret, error) {
	return ask(c.links, func(v Verifier) (Secret, error) {
		held, err := lookup(ctx, v, r, kinds)
		if err == nil {
			_, err = checked(held.Account, nil)
		}
		return held, err
	})
}

// ask is the rule of the chain, the same for passwords and secrets. A terminal
// answer is passed on with its value: a disabled user's secret is still needed
// to check the proof.
func ask[T any](links []Verifier, question func(Verifier) (T, error)) (T, error) {
	var none T
	refusal := ErrNoUser
	var broken error
	for i, link := range links {
		answer, err := question(link)
		switch {
		case err == nil || Terminal(err):
			return answer, err
		case !Refused(err):
			broken = errors.Join(broken, fmt.Errorf("link %d of %d: %w", i+1, len(links), err))
		case errors.Is(err, ErrWrongPassword):
			refusal = ErrWrongPassword
		case errors.Is(err, ErrNoSecret) && refusal == ErrNoUser:
			refusal = ErrNoSecret
		}
	}
	if broken != nil {
		return none, fmt.Errorf("verifier: chain: %w: %w", ErrUnavailable, broken)
	}
	return none, refusal
}
