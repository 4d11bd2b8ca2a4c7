package stored

import (
	"context"
	"fmt"
	"runtime"

	"github.com/saslkit/saslkit/internal/queue"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/internal/workers"
	"github.com/saslkit/saslkit/verifier"
)

// A Checker checks passwords against values, not too many at a time: a hash is made to
// cost much, and anybody can ask for one by trying to log in. It may be used
// concurrently, and is shared by all that should share a limit.
type Checker struct {
	secret.Opaque
	queue    *queue.Queue
	workers  workers.Pool
	observer func(cost string)
}

// Options say how a Checker works. The zero value is what most sites want.
type Options struct {
	// Parallel is how many costly hashes are computed at a time; 0 means as many as there
	// are processors. 64 times as many may wait, within their contexts; whoever
	// comes then is told that there is trouble.
	Parallel int
	// Observer is told of every computation what it costs, as [Value.Cost] says, for
	// metrics and tests; nil for nobody. It is called concurrently.
	Observer func(cost string)
}

// queued is how many may wait for each that computes: about two seconds of yescrypt,
// so that a mail host's users can all come back at once after a restart.
const queued = 64

// NewChecker returns a Checker.
func NewChecker(o Options) *Checker {
	if o.Parallel <= 0 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	return &Checker{queue: queue.New(o.Parallel, int64(queued*o.Parallel)), observer: o.Observer}
}

// Matches reports whether a password, prepared as [verifier.Verifier] says, is the
// one of the value. r says whose the value is, which some hashes hold too. It returns
// when the context ends, although a hash that is under way is computed to its end and
// keeps its place meanwhile.
//
// What costs some microseconds at most neither waits nor counts.
//
// The errors match [verifier.ErrUnavailable]: too many are waiting, or the context has
// ended.
func (c *Checker) Matches(ctx context.Context, v Value, r verifier.Request, password string) (bool, error) {
	if v.isQuick() {
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("stored: %w: %w", verifier.ErrUnavailable, err)
		}
		a := c.compute(ctx, v, r, password)
		return a.match, a.err
	}
	if err := c.queue.Enter(ctx); err != nil {
		return false, fmt.Errorf("stored: waiting to check a password: %w: %w", verifier.ErrUnavailable, err)
	}
	answer := make(chan result, 1)
	c.workers.Go(func() {
		defer c.queue.Leave()
		answer <- c.compute(ctx, v, r, password)
	})
	select {
	case a := <-answer:
		return a.match, a.err
	case <-ctx.Done():
		return false, fmt.Errorf("stored: while a password was checked: %w: %w", verifier.ErrUnavailable, ctx.Err())
	}
}

type result struct {
	match bool
	err   error
}

// compute answers for a panic as for other trouble: it may be on a goroutine of its own,
// where nobody else would stop it.
func (c *Checker) compute(ctx context.Context, v Value, r verifier.Request, password string) (a result) {
	defer func() {
		if p := recover(); p != nil {
			// What was thrown may hold anything, a password among it.
			a = result{err: fmt.Errorf("stored: %w: panic of type %T", verifier.ErrUnavailable, p)}
		}
	}()
	if c.observer != nil {
		c.observer(v.Cost())
	}
	match, err := v.matches(ctx, r, password)
	return result{match, err}
}
