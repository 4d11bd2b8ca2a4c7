package queue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places, room = 2, 3
		q := New(places, room)
		ctx, cancel := context.WithCancel(t.Context())
		for range places {
			if err := q.Enter(ctx); err != nil {
				t.Fatal(err)
			}
		}
		var entered, ended atomic.Int64
		var all sync.WaitGroup
		for range room {
			all.Go(func() {
				switch err := q.Enter(ctx); {
				case err == nil:
					entered.Add(1)
				case errors.Is(err, context.Canceled):
					ended.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		synctest.Wait() // until all are waiting
		if err := q.Enter(ctx); err != ErrFull {
			t.Errorf("with the room full: %v", err)
		}
		q.Leave()
		synctest.Wait()
		if n := entered.Load(); n != 1 {
			t.Errorf("%d entered for one who left", n)
		}
		cancel()
		all.Wait()
		if n := ended.Load(); n != room-1 {
			t.Errorf("%d gave up with their context, want %d", n, room-1)
		}
		q.Leave()
		if err := q.Enter(t.Context()); err != nil {
			t.Errorf("after all that: %v", err)
		}
	})
}

func TestNoRoom(t *testing.T) {
	t.Parallel()
	q := New(0, 0)
	if err := q.Enter(t.Context()); err != nil {
		t.Fatal("there is always one place:", err)
	}
	if err := q.Enter(t.Context()); err != ErrFull {
		t.Error(err)
	}
}
