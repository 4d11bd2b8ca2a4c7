// Package breaker spares a server that does not answer: after some failures within
// some seconds it is not asked for a while, so that logins are told at once that there is trouble
// and do not wait for a timeout each, holding what they hold.
package breaker

import (
	"errors"
	"sync"
	"time"
)

const (
	// failures within window open the breaker, for pause. The figures are those of a
	// mail client's patience: it tries again after some seconds.
	failures = 5
	window   = 10 * time.Second
	pause    = 5 * time.Second
)

// ErrOpen says that the server is not asked just now.
var ErrOpen = errors.New("it did not answer lately and is not asked for some seconds")

// A Breaker counts what one server fails to answer. The zero Breaker is ready. It may be
// used concurrently.
type Breaker struct {
	mu     sync.Mutex
	failed [failures]time.Time // a ring; the next to be overwritten is the oldest
	next   int
	open   time.Time // until then nothing is asked; zero: always
	trial  bool      // one request is under way to see whether the server is back
}

// Ask returns ErrOpen, or that the server may be asked: then done is called once with
// whether it failed to answer. A refusal is an answer. After a pause one request goes
// through, and the others when that was answered.
func (b *Breaker) Ask() (done func(failed bool), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open.IsZero() {
		return b.count, nil
	}
	if b.trial || time.Now().Before(b.open) {
		return nil, ErrOpen
	}
	b.trial = true
	return b.tried, nil
}

// count takes note of what came of a request.
func (b *Breaker) count(failed bool) {
	if !failed {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.failed[b.next] = now
	b.next = (b.next + 1) % failures
	if oldest := b.failed[b.next]; !oldest.IsZero() && now.Sub(oldest) < window {
		b.open = now.Add(pause)
	}
}

// tried ends the trial: the server is back, or gets another pause.
func (b *Breaker) tried(failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trial = false
	b.open, b.failed = time.Time{}, [failures]time.Time{}
	if failed {
		b.open = time.Now().Add(pause)
	}
}
