package verifier

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A ThrottledError is a refusal of a [Throttle], found with [errors.As]. It matches
// [ErrThrottled].
type ThrottledError struct {
	Reason string        // without names
	After  time.Duration // when to come again
}

// Error returns the reason and, in whole seconds, when to come again; no name.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("verifier: too many failed attempts: %s (come again after %v)", e.Reason, e.After.Round(time.Second))
}

// Unwrap makes the error match [ErrThrottled].
func (e *ThrottledError) Unwrap() error { return ErrThrottled }

// A waiting attempt asks again from time to time: the attempts under way because of
// which it waits may have turned out well. A store is asked less often.
const (
	throttlePoll      = 100 * time.Millisecond
	throttleStorePoll = time.Second
)

// wait waits until the attempt may begin, or says why it may not. v is the verdict of
// its arrival.
func (t *Throttle) wait(ctx context.Context, a *attempt, r *Request, arrived int64, v ThrottleVerdict) error {
	if err := t.waitable(ctx, 0, v); err != nil {
		return err
	}
	if !t.queue.enter(a.keys.address) {
		return &ThrottledError{"too many are waiting", v.Wait}
	}
	defer t.queue.leave(a.keys.address)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		poll := throttlePoll
		if a.shared != nil {
			poll = throttleStorePoll
		}
		timer.Reset(min(v.Wait, poll))
		select {
		case <-ctx.Done():
			return endedThrottle(ctx)
		case <-timer.C:
		}
		now := t.now()
		v = t.ask(ctx, a, r, now, arrived)
		if v.Wait == 0 { // it may begin and is counted, even if the timer was late
			return nil
		}
		if err := t.waitable(ctx, time.Duration(now-arrived), v); err != nil {
			return err
		}
	}
}

// waitable refuses a wait that is too long.
func (t *Throttle) waitable(ctx context.Context, waited time.Duration, v ThrottleVerdict) error {
	deadline, limited := ctx.Deadline()
	switch {
	case v.Refused:
		return &ThrottledError{fmt.Sprintf("%d in an hour from one address", t.table.rules.Limit), v.Wait}
	case waited+v.Wait > t.maxDelay:
		return &ThrottledError{"the delay is longer than this server waits", v.Wait}
	case limited && time.Until(deadline) < v.Wait:
		return &ThrottledError{"the delay is longer than there is time", v.Wait}
	}
	return nil
}

// A throttleQueue counts who waits. One address may take a tenth of the places: or a
// few could have all, and whoever else has to wait would be refused.
type throttleQueue struct {
	mu    sync.Mutex
	most  int
	total int
	of    map[throttleKey]int
}

func (q *throttleQueue) enter(address throttleKey) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.total >= q.most || address != 0 && q.of[address] >= max(1, q.most/10) {
		return false
	}
	q.total++
	q.of[address]++
	return true
}

func (q *throttleQueue) leave(address throttleKey) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total--
	if q.of[address]--; q.of[address] == 0 {
		delete(q.of, address)
	}
}
