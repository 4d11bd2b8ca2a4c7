// Package queue keeps expensive computations, which anybody can ask for by trying to
// log in, from taking all processors and all patience.
package queue

import (
	"context"
	"errors"
	"sync/atomic"
)

// ErrFull: too many are waiting already. Whoever comes now would wait longer than it
// is worth.
var ErrFull = errors.New("queue is full")

// A Queue has places for those who compute and room for those who wait. Its methods
// may be called concurrently.
type Queue struct {
	places  chan struct{}
	room    int64
	waiting atomic.Int64
}

// New returns a Queue with places for so many at a time, at least one, and room for
// so many more.
func New(places int, room int64) *Queue {
	return &Queue{places: make(chan struct{}, max(1, places)), room: room}
}

// Enter waits for a place. It returns ErrFull at once if too many are waiting, and
// the context's error if it ends. Who got a place calls Leave.
func (q *Queue) Enter(ctx context.Context) error {
	select {
	case q.places <- struct{}{}:
		return nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.room {
		return ErrFull
	}
	select {
	case q.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave gives a place up.
func (q *Queue) Leave() { <-q.places }
