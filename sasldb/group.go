package sasldb

import (
	"context"
	"fmt"
	"sync"

	"github.com/saslkit/saslkit/verifier"
)

// A group lets changes that come at the same time share one commit: what costs is
// the new file, however many records of it are other ones.
type group struct {
	mu      sync.Mutex
	waiting []*member
	running bool
}

// A member is one change that waits for its commit.
type member struct {
	request verifier.Request
	change  func(verifier.Entry) (verifier.Entry, error)
	err     error
	panics  any
	done    chan struct{}
}

// update is DB.Update. Whoever comes first starts the goroutine that commits, which
// ends when nobody waits any more.
func (g *group) update(ctx context.Context, path string, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
	}
	m := &member{request: r, change: change, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, m)
	if !g.running {
		g.running = true
		go g.run(path)
	}
	g.mu.Unlock()
	select {
	case <-m.done:
	case <-ctx.Done():
		if g.leave(m) {
			return fmt.Errorf("%w: %w", verifier.ErrUnavailable, ctx.Err())
		}
		<-m.done // it is being committed, which takes a bounded time
	}
	if m.panics != nil {
		panic(m.panics)
	}
	return m.err
}

// leave takes back a change that is not being committed yet.
func (g *group) leave(m *member) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == m {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// take returns those who wait, or ends the running.
func (g *group) take() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	batch := g.waiting
	g.waiting = nil
	g.running = len(batch) > 0
	return batch
}

func (g *group) run(path string) {
	for batch := g.take(); len(batch) > 0; batch = g.take() {
		err := Edit(context.Background(), path, WriteOptions{}, func(tx *Tx) error {
			for _, m := range batch {
				m.apply(tx)
			}
			return nil
		})
		for _, m := range batch {
			if m.err == nil && err != nil {
				m.err = fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
			}
			close(m.done)
		}
	}
}

// apply makes the change, or none of it. It may be called again with newer content.
// A panic is the caller's and goes back to him.
func (m *member) apply(tx *Tx) {
	defer func() { m.panics = recover() }()
	m.err = tx.Update(m.request, m.change)
}
