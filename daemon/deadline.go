package daemon

import (
	"context"
	"sync"
	"time"
)

// A lateContext ends at a time, or with its parent. It costs nothing until somebody waits
// for its end: most logins are over before that, and setting a timer and taking it back is
// a twentieth of what one costs.
type lateContext struct {
	parent context.Context
	end    time.Time

	mu     sync.Mutex
	timed  context.Context // nil: nobody waits yet
	cancel context.CancelFunc
}

// within returns a context that ends after d, or when stop is called.
func within(parent context.Context, d time.Duration) (ctx context.Context, stop func()) {
	c := &lateContext{parent: parent, end: time.Now().Add(d)}
	return c, c.stop
}

// Deadline implements context.Context.
func (c *lateContext) Deadline() (time.Time, bool) {
	if end, ok := c.parent.Deadline(); ok && end.Before(c.end) {
		return end, true
	}
	return c.end, true
}

// Done implements context.Context.
func (c *lateContext) Done() <-chan struct{} { return c.set().Done() }

// Err implements context.Context.
func (c *lateContext) Err() error {
	c.mu.Lock()
	timed := c.timed
	c.mu.Unlock()
	switch {
	case timed != nil:
		return timed.Err()
	case c.parent.Err() != nil:
		return c.parent.Err()
	case !time.Now().Before(c.end):
		return c.set().Err() // from now on Done agrees
	}
	return nil
}

// Value implements context.Context.
func (c *lateContext) Value(key any) any { return c.parent.Value(key) }

func (c *lateContext) set() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.parent, c.end)
	}
	return c.timed
}

// stop ends the context for whoever still has it.
func (c *lateContext) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = ended, func() {}
	}
	c.cancel()
}

// ended is a context that has ended.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
