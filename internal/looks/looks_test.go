package looks

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// TestShare: who waits for a look that has not begun shares it; one that began before
// somebody came is not good enough for him.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[int]()
		seen, proceed := 1, make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			got, err := g.Share(t.Context(), func() (int, error) {
				now := seen
				<-proceed
				return now, nil
			})
			if got != 1 || err != nil {
				t.Errorf("the first: %d, %v", got, err)
			}
		})
		synctest.Wait() // until it looks
		seen = 2
		for range 50 {
			all.Go(func() {
				if got, err := g.Share(t.Context(), func() (int, error) { return seen, nil }); got != 2 || err != nil {
					t.Errorf("came during the first look: %d, %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(proceed)
		all.Wait()
		if n := g.Begun(); n != 2 {
			t.Errorf("%d looks, want the first and one for all", n)
		}
	})
}

func TestErrorIsShared(t *testing.T) {
	t.Parallel()
	g := New[int]()
	fault := errors.New("fault")
	if _, err := g.Share(t.Context(), func() (int, error) { return 0, fault }); err != fault {
		t.Error(err)
	}
	if got, err := g.Share(t.Context(), func() (int, error) { return 3, nil }); got != 3 || err != nil {
		t.Errorf("after an error: %d, %v", got, err)
	}
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[int]()
		release := g.Hold()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := g.Share(ctx, func() (int, error) { return 1, nil })
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		release()
		if got, err := g.Share(t.Context(), func() (int, error) { return 2, nil }); got != 2 || err != nil {
			t.Errorf("after the release: %d, %v", got, err)
		}
	})
}
