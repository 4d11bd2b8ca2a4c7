// Package looks lets logins that come at the same time share one look at a file that
// may have changed.
package looks

import (
	"context"
	"sync/atomic"
)

// A Group makes looks one at a time. Its methods may be called concurrently.
type Group[T any] struct {
	begun atomic.Uint64 // how many have begun
	turn  chan struct{} // room for the one who looks
	last  result[T]     // for who has the turn
}

// A result is what a look brought. Its number counts from 1.
type result[T any] struct {
	number uint64
	value  T
	err    error
}

// New returns a Group.
func New[T any]() *Group[T] { return &Group[T]{turn: make(chan struct{}, 1)} }

// Share returns the result of a look that began after the call, so that it sees
// whatever was done before: its own, or one shared with others who came before that
// began. If the context ends before it is its turn the error is the context's.
func (g *Group[T]) Share(ctx context.Context, look func() (T, error)) (T, error) {
	begun := g.begun.Load()
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	if g.last.number <= begun {
		r := result[T]{number: g.begun.Add(1)}
		r.value, r.err = look()
		g.last = r
	}
	return g.last.value, g.last.err
}

// Hold waits for the look under way, forgets what it brought and keeps the next one
// from beginning until release is called.
func (g *Group[T]) Hold() (release func()) {
	g.turn <- struct{}{}
	g.last = result[T]{}
	return func() { <-g.turn }
}

// Begun is how many looks have begun.
func (g *Group[T]) Begun() uint64 { return g.begun.Load() }
