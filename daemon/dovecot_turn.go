package daemon

import (
	"context"
	"sync/atomic"
	"time"
)

// take takes a step, and reports whether who did goes on reading: most steps are quicker
// than another goroutine could be woken for them. One that is going to wait lets another
// goroutine read on before.
func (x *dovecotConn) take(s *dovecotStep) bool {
	x.steps.Add(1)
	defer x.steps.Done()
	x.taken++
	turn := x.taken
	s.ctx.turn.Store(turn)
	x.taking.Store(turn)
	x.step(s)
	if x.taking.CompareAndSwap(turn, 0) {
		return true
	}
	x.flush()
	return false
}

// readOnElsewhere is called when the step that is being taken is going to wait.
func (x *dovecotConn) readOnElsewhere(turn uint64) {
	if turn != 0 && x.taking.CompareAndSwap(turn, 0) {
		x.dovecot.workers.Go(func() {
			x.flush() // what others are waiting for
			x.read()
		})
	}
}

// A turnContext is the context of a request's steps. Who asks when it ends is going to
// wait for something else meanwhile.
type turnContext struct {
	context.Context
	conn *dovecotConn
	turn atomic.Uint64 // of the last step
}

// Done implements context.Context.
func (c *turnContext) Done() <-chan struct{} {
	c.conn.readOnElsewhere(c.turn.Load())
	return c.Context.Done()
}

// Deadline implements context.Context.
func (c *turnContext) Deadline() (time.Time, bool) {
	c.conn.readOnElsewhere(c.turn.Load())
	return c.Context.Deadline()
}
