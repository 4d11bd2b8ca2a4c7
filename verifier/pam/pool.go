package pam

import (
	"errors"
	"sync"
	"time"
)

const (
	// perChild is how many requests a child serves: what modules leak goes with it.
	perChild = 1000
	// idleTime is how long a child waits for a request.
	idleTime = time.Minute
)

var errClosed = errors.New("closed")

// A pool keeps children. How many there are is for its callers to bound.
type pool struct {
	program string
	most    int           // requests for a child; perChild but in tests
	idling  time.Duration // idleTime but in tests
	runs    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	all    map[*process]bool
	idle   []*process // the one that has served last is the last, and the next to serve
}

func newPool(program string) *pool {
	return &pool{program: program, most: perChild, idling: idleTime, all: make(map[*process]bool)}
}

// begin runs f on a goroutine of its own, unless the pool is closed.
func (p *pool) begin(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.runs.Go(f)
	return true
}

// ask lets a child serve a request. One that does not answer in time is ended. It is
// called in begin.
func (p *pool) ask(q request, timeout time.Duration) (answer, error) {
	deadline := time.Now().Add(timeout)
	c, err := p.take(deadline)
	if err != nil {
		return answer{}, err
	}
	began := time.Now()
	a, err := c.ask(q, deadline)
	a.took = time.Since(began)
	if err != nil || a.changed || c.served >= p.most {
		c.end()
		return a, err
	}
	p.put(c)
	return a, nil
}

// take returns a child that is idle, or a new one.
func (p *pool) take(deadline time.Time) (*process, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		c.retire.Stop()
		select {
		case <-c.ended: // killed by somebody
		default:
			p.mu.Unlock()
			return c, nil
		}
	}
	p.mu.Unlock()
	return p.start(deadline)
}

// start starts a child and waits for its greeting.
func (p *pool) start(deadline time.Time) (*process, error) {
	c, err := startProcess(p.program)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	closed := p.closed
	p.all[c] = true
	p.runs.Go(func() {
		c.wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.all, c)
	})
	p.mu.Unlock()
	if closed {
		c.end()
		return nil, errClosed
	}
	if hello := time.Now().Add(helloTimeout); hello.Before(deadline) {
		deadline = hello
	}
	if err := c.greet(deadline); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// put makes a child idle.
func (p *pool) put(c *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.end()
		return
	}
	p.idle = append(p.idle, c)
	c.retire = time.AfterFunc(p.idling, func() { p.tooLong(c) })
}

// tooLong ends a child if it is still idle.
func (p *pool) tooLong(c *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.idle {
		if p.idle[i] == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			c.end()
			return
		}
	}
}

// close ends all children and waits for them, and for what began.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, c := range p.idle {
		c.retire.Stop()
	}
	p.idle = nil
	for c := range p.all {
		c.end()
	}
	p.mu.Unlock()
	p.runs.Wait()
}
