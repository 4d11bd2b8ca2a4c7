// Package workers runs functions on goroutines that are used again. A new one begins with
// a small stack, and copying that as it grows is a quarter of what a login costs a daemon.
package workers

import (
	"sync"
	"time"
)

// A Pool has as many goroutines as there are functions under way, and keeps those that
// have nothing to do for a second. The zero Pool is ready. It may be used concurrently.
type Pool struct {
	once sync.Once
	next chan func() // to a goroutine that has nothing to do
}

// idle is how long a goroutine waits for something to do.
const idle = time.Second

// Go runs f, at once and on a goroutine of its own as long as it takes. f does not panic.
func (p *Pool) Go(f func()) {
	p.once.Do(func() { p.next = make(chan func()) })
	select {
	case p.next <- f:
	default:
		go p.work(f)
	}
}

func (p *Pool) work(f func()) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		f()
		timer.Reset(idle)
		select {
		case f = <-p.next:
		case <-timer.C:
			return
		}
	}
}
