package verifier

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

// A ThrottleStore is a place where several servers count together. Its methods may
// be called concurrently and return within the context's deadline; an error means
// that this server decides alone. Package verifier/redis is one.
//
// It must not keep names as they are.
type ThrottleStore interface {
	// Admit says whether an attempt may begin now and, if so, counts it as under
	// way, in one step that nothing comes between.
	Admit(ctx context.Context, a ThrottleAttempt) (ThrottleVerdict, error)
	// Settle ends an attempt that was admitted with this verdict.
	Settle(ctx context.Context, a ThrottleAttempt, v ThrottleVerdict, o ThrottleOutcome) error
	// Forget forgets the address, the user and the pair of both, as far as given.
	Forget(ctx context.Context, a ThrottleAttempt) error
}

// A ThrottleAttempt is what a ThrottleStore is asked about.
type ThrottleAttempt struct {
	Address netip.Prefix  // an IPv4 address or an IPv6 /64; the zero Prefix if unknown
	User    string        // in lower case; "" only for Forget
	Realm   string        // in lower case
	Waited  time.Duration // since it came
	Rules   ThrottleRules // to decide by; its slice is not changed
}

// A ThrottleVerdict is the answer of [ThrottleStore.Admit].
type ThrottleVerdict struct {
	// Wait is 0 if the attempt may begin. Else it has to wait for so long and then to
	// be asked about again.
	Wait time.Duration
	// Refused means that it need not wait, but come again after that time.
	Refused bool
	// Trusted means that it is exempt from the counts of its address and its user,
	// because that user logged in from there lately.
	Trusted bool
	// Began is when it began by the clock of the store, for Settle.
	Began int64
}

// A ThrottleOutcome is how an attempt ended.
type ThrottleOutcome uint8

// The outcomes of an attempt.
const (
	ThrottleSucceeded ThrottleOutcome = iota
	ThrottleFailed
	// ThrottleVoid is for an attempt of which nobody knows: the backend is in
	// trouble. It is nobody's failure.
	ThrottleVoid
)

// storeRest is for how long a store is left alone that did not answer.
const storeRest = 5 * time.Second

// A storeLink is a ThrottleStore as one Throttle sees it: with a timeout, and with a
// rest after an error, so that a store that hangs delays one login in five seconds
// and not every one.
type storeLink struct {
	store   ThrottleStore
	timeout time.Duration
	trouble func(error)
	resting atomic.Int64 // until when; 0: it answers
	told    atomic.Int64 // when trouble was last told; 0: never
}

// usable reports whether the store may be asked. After a rest the first who asks
// finds out for all.
func (l *storeLink) usable(now int64) bool {
	until := l.resting.Load()
	return until == 0 || now >= until && l.resting.CompareAndSwap(until, now+int64(storeRest))
}

// ask calls the store. It returns false if there is no answer.
func (l *storeLink) ask(ctx context.Context, now func() int64, question func(context.Context) error) bool {
	if !l.usable(now()) {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	if err := question(limited); err != nil {
		if ctx.Err() == nil { // else it is not the store's fault
			l.rest(now(), err)
		}
		return false
	}
	l.resting.Store(0)
	return true
}

// rest leaves the store alone for a while.
func (l *storeLink) rest(now int64, err error) {
	l.resting.Store(now + int64(storeRest))
	before := l.told.Load()
	if l.trouble != nil && (before == 0 || now-before >= int64(storeRest)) && l.told.CompareAndSwap(before, max(1, now)) {
		l.trouble(fmt.Errorf("verifier: throttle: store: %w: %w", ErrUnavailable, err))
	}
}
