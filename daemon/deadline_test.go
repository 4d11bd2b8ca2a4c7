package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWithin(t *testing.T) {
	type state struct {
		deadline time.Duration
		before   error // after 9 s, without having waited
		after    error // after 11 s
	}
	for name, c := range map[string]struct {
		act   func(cancel, stop func()) // after 5 s
		waits bool
		want  state
	}{
		"nothing":       {nil, false, state{10 * time.Second, nil, context.DeadlineExceeded}},
		"waited for":    {nil, true, state{10 * time.Second, nil, context.DeadlineExceeded}},
		"parent":        {func(cancel, _ func()) { cancel() }, false, state{10 * time.Second, context.Canceled, context.Canceled}},
		"parent waited": {func(cancel, _ func()) { cancel() }, true, state{10 * time.Second, context.Canceled, context.Canceled}},
		"stop":          {func(_, stop func()) { stop() }, false, state{10 * time.Second, context.Canceled, context.Canceled}},
		"stop waited":   {func(_, stop func()) { stop() }, true, state{10 * time.Second, context.Canceled, context.Canceled}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(t.Context())
				defer cancel()
				ctx, stop := within(parent, 10*time.Second)
				defer stop()
				if end, ok := ctx.Deadline(); !ok || time.Until(end) != c.want.deadline {
					t.Errorf("deadline in %v", time.Until(end))
				}
				if c.waits {
					ctx.Done()
				}
				time.Sleep(5 * time.Second)
				if c.act != nil {
					c.act(cancel, stop)
				}
				synctest.Wait()
				time.Sleep(4 * time.Second)
				if err := ctx.Err(); !errors.Is(err, c.want.before) {
					t.Errorf("before the end: %v", err)
				}
				time.Sleep(2 * time.Second)
				if err := ctx.Err(); !errors.Is(err, c.want.after) {
					t.Errorf("after the end: %v", err)
				}
				<-ctx.Done()
			})
		})
	}
}

// TestWithinParent: the sooner of two ends counts.
func TestWithinParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ctx, stop := within(parent, 10*time.Second)
		defer stop()
		if end, ok := ctx.Deadline(); !ok || time.Until(end) != time.Second {
			t.Errorf("deadline in %v", time.Until(end))
		}
		<-ctx.Done()
		if err := ctx.Err(); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}
