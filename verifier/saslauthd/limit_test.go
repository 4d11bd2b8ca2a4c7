package saslauthd

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
)

// everybody checks a password from as many goroutines as there may be, 10,000 times in
// all, and returns how many were accepted and how many times there was no answer.
func everybody(ctx context.Context, v *Client) (accepted, unavailable int) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for range callers {
		all.Go(func() {
			for range 10_000 / callers {
				account, err := v.VerifyPassword(ctx, fromAlice, alice.Password)
				mu.Lock()
				switch {
				case err == nil && account.User == alice.Name:
					accepted++
				case errors.Is(err, verifier.ErrUnavailable) && errors.Is(err, ctx.Err()):
					unavailable++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return accepted, unavailable
}

// The tests below are not parallel: they count goroutines and descriptors.

func TestLimit(t *testing.T) {
	f := newFake()
	d := asktest.Start(t, "mux", f.serve)
	check := asktest.Leaks(t)
	if accepted, unavailable := everybody(t.Context(), client(t, d)); accepted != 10_000 {
		t.Errorf("%d accepted, %d without an answer", accepted, unavailable)
	}
	if most := f.most.Load(); most > 100 {
		t.Errorf("%d requests at once", most)
	}
	check()
}

func TestLimitOfHanging(t *testing.T) {
	d := asktest.Start(t, "mux", asktest.Gone)
	check := asktest.Leaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	var end sync.WaitGroup
	end.Go(func() {
		defer cancel()
		for d.Connections() < 100 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
	})
	if accepted, unavailable := everybody(ctx, client(t, d)); unavailable != 10_000 {
		t.Errorf("%d accepted, %d without an answer", accepted, unavailable)
	}
	end.Wait()
	check()
}

// Nothing is left of requests that end in every other way.
func TestLeaks(t *testing.T) {
	d := asktest.Start(t, "mux", newFake().serve)
	check := asktest.Leaks(t)
	v := client(t, d)
	for _, c := range faults {
		d.Script(c.script)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if c.hangs {
			ctx, cancel = context.WithTimeout(t.Context(), 5*time.Millisecond)
		}
		v.VerifyPassword(ctx, fromAlice, alice.Password)
		cancel()
	}
	d.Script(newFake().serve)
	wantRecovered(t, v)
	check()
}
