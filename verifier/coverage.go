package verifier

import (
	"context"
	"errors"
	"fmt"
)

// A Coverage says what a store can serve. A store that holds its users measures
// it; one that asks elsewhere declares it. The caller must not change the slice.
type Coverage struct {
	Some Kinds // kinds that at least one enabled user has
	All  Kinds // kinds that every enabled user has

	// Stores are the kinds whose secrets a login can change, because Update stores them
	// and succeeds as far as is known; 0 if there are none.
	Stores Kinds

	Users  int           // enabled users; -1 if the store cannot count them
	Counts map[Kinds]int // enabled users by what they have; nil if the store cannot count
	Realms []string      // realms that the users are in; nil if the store cannot tell or has none
}

// Declared is the coverage of a store that cannot count: every user has these
// kinds.
func Declared(kinds ...Kind) Coverage {
	s := KindsOf(kinds...)
	return Coverage{Some: s, All: s, Users: -1}
}

// Measured is the coverage of the users whose kinds are given, one set for each.
func Measured(users []Kinds, realms []string) Coverage {
	c := Coverage{Users: len(users), Counts: make(map[Kinds]int), Realms: realms}
	if len(users) > 0 {
		c.All = AllKinds
	}
	for _, kinds := range users {
		c.Some |= kinds
		c.All &= kinds
		c.Counts[kinds]++
	}
	return c
}

// CoverageOf returns what v can serve: its own word if it is a SecretSource,
// else password checks for everybody.
func CoverageOf(v Verifier) Coverage {
	if s, ok := SourceOf(v); ok {
		return s.Coverage()
	}
	return Declared(KindCheck)
}

// SourceOf returns v as a SecretSource if it is one. It and StoreOf are the one place
// in the library that asks a verifier for its type; wrappers pass the data on.
func SourceOf(v Verifier) (SecretSource, bool) {
	s, ok := v.(SecretSource)
	return s, ok
}

// StoreOf returns v as a SecretStore if it is one. A wrapper always is: the Update of
// one of what cannot be written says [errors.ErrUnsupported].
func StoreOf(v Verifier) (SecretStore, bool) {
	s, ok := v.(SecretStore)
	return s, ok
}

// lookup looks a secret up in v. What is no SecretSource has nobody's.
func lookup(ctx context.Context, v Verifier, r Request, kinds []Kind) (Secret, error) {
	s, ok := SourceOf(v)
	if !ok {
		return Secret{}, ErrNoUser
	}
	return s.LookupSecret(ctx, r, kinds...)
}

// update writes to v, if that can be.
func update(ctx context.Context, v Verifier, r Request, change func(Entry) (Entry, error)) error {
	s, ok := StoreOf(v)
	if !ok {
		return fmt.Errorf("verifier: %s cannot be written: %w", Name(v), errors.ErrUnsupported)
	}
	return s.Update(ctx, r, change)
}

// Serving counts the users that have one of the kinds. It returns -1 if the store
// cannot count.
func (c Coverage) Serving(kinds []Kind) int {
	if c.Users < 0 || c.Counts == nil {
		return -1
	}
	n := 0
	for has, users := range c.Counts {
		if has.Any(kinds) {
			n += users
		}
	}
	return n
}

// ServesAll reports whether every enabled user has one of the kinds, as far as the
// store can tell.
func (c Coverage) ServesAll(kinds []Kind) bool {
	return c.All.Any(kinds) || c.Users > 0 && c.Serving(kinds) == c.Users
}

// Union is the coverage of two stores asked in turn: some users of either have
// the kind, and all users have it only if all of both do.
func (c Coverage) Union(d Coverage) Coverage {
	u := Coverage{Some: c.Some | d.Some, All: c.All & d.All, Users: -1}
	// An empty store has no user that lacks anything.
	switch {
	case c.Users == 0 && d.Users == 0:
		u.Users = 0
	case c.Users == 0:
		u.All = d.All
	case d.Users == 0:
		u.All = c.All
	}
	if c.Realms != nil && d.Realms != nil {
		u.Realms = unionOf(c.Realms, d.Realms)
	}
	return u
}

func unionOf(a, b []string) []string {
	seen := make(map[string]bool, len(a)+len(b))
	var all []string
	for _, list := range [][]string{a, b} {
		for _, s := range list {
			if !seen[s] {
				seen[s] = true
				all = append(all, s)
			}
		}
	}
	return all
}
