package verifier

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
)

// ThrottleOptions configure a Throttle. The zero value is the recommended one.
type ThrottleOptions struct {
	// Free is how many failures in a minute an address, or a user, has before
	// attempts must wait; 0 means 10.
	Free int
	// Limit is after how many failures in an hour an address is refused; 0 means
	// 100, the most is 10,000.
	Limit int
	// MaxDelay is the longest that Admit may wait, for hosts that have to answer in
	// time. 0 means 15 s, which is the longest delay there is.
	MaxDelay time.Duration
	// Waiters is how many attempts may wait at once, since each holds a connection;
	// a tenth of them, but one at least, from one address. 0 means 1,000.
	Waiters int
	// Entries is how many addresses, users and pairs of both are remembered; 0 means
	// 100,000. Each takes 73 bytes of memory.
	Entries int
	// Exempt are the addresses that are never throttled: of a webmail or a proxy
	// that does not tell its clients' addresses. Nil means loopback; an empty list
	// that is not nil exempts nobody.
	Exempt []netip.Prefix
	// Store is where servers count together; nil: each counts alone.
	Store ThrottleStore
	// StoreTimeout is how long the Store has for an answer; 0 means 200 ms.
	StoreTimeout time.Duration
	// StoreTrouble hears of the Store's errors, once in five seconds at most, on the
	// goroutine of the login; nil: nobody does. They match ErrUnavailable.
	StoreTrouble func(error)
}

// A Throttle is a Guard that slows guessing down. It keeps its counts in memory of a
// fixed size, and with other servers if it has a ThrottleStore. It may be used
// concurrently, starts no goroutines, and prints as REDACTED; names are kept as
// hashes with a random key only.
//
// Attempts are counted under three keys, whether the user exists or not:
//
// The address, of IPv6 the first 64 bits. 10 failures in a minute are free. Each
// further attempt has to come, or is made to wait, 2, 4, 8 and then 15 seconds after
// the failure before it, until there is none for a minute. After 100 failures in an
// hour the address is refused with ErrThrottled until the hour is over.
//
// The user, in lower case, since a store may ignore case. The delays are the same,
// so that many addresses together get no further, but there is no refusal: nobody
// can lock somebody else out. A user waits 15 seconds at most, and never longer
// than MaxDelay.
//
// The pair of both. Where a user logged in within a day, he is exempt from what others
// do: from guesses at his name elsewhere, and from those of strangers behind the same
// address (a company, a provider's gateway, a webmail). Only his own failures from
// there count, which include attempts under way: after 10 in an hour the pair is like
// any other, for its failures are among those of the address and the user. So
// somebody behind the same address has 10 guesses an hour more for each of them.
//
// An attempt under way counts as a failure, so that a thousand guesses at once get no
// further than one after the other. Success takes that back, and so does trouble of
// ours: errors that match ErrUnavailable or ErrThrottled, or are of a context. An
// abandoned exchange is a failure. An attempt that waits only because of others under
// way goes on as soon as these turn out well.
//
// An attempt without an address counts under its user alone.
type Throttle struct {
	secret.Opaque
	table    *throttleTable
	link     storeLink
	exempt   []netip.Prefix
	maxDelay time.Duration
	queue    throttleQueue
	epoch    time.Time
	seeds    [3]maphash.Seed // of address, user, pair
}

var _ Guard = (*Throttle)(nil)

// NewThrottle returns a Throttle, or an error that says which option is out of range.
func NewThrottle(o ThrottleOptions) (*Throttle, error) {
	rules := ThrottleRules{Steps: throttleSteps()}
	o.Free, o.Limit, o.MaxDelay = or(o.Free, 10), or(o.Limit, 100), or(o.MaxDelay, rules.longest())
	o.Waiters, o.Entries, o.StoreTimeout = or(o.Waiters, 1000), or(o.Entries, 100_000), or(o.StoreTimeout, 200*time.Millisecond)
	if err := o.check(); err != nil {
		return nil, err
	}
	exempt, err := exemptions(o.Exempt)
	if err != nil {
		return nil, err
	}
	rules.Free, rules.Limit, rules.UserDelay = o.Free, o.Limit, min(o.MaxDelay, rules.longest())
	return &Throttle{
		table: newThrottleTable(o.Entries, rules), link: storeLink{store: o.Store, timeout: o.StoreTimeout, trouble: o.StoreTrouble},
		exempt: exempt, maxDelay: o.MaxDelay, epoch: time.Now(),
		queue: throttleQueue{most: o.Waiters, of: map[throttleKey]int{}},
		seeds: [3]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()},
	}, nil
}

// check finds options out of range, once the defaults are in.
func (o *ThrottleOptions) check() error {
	switch {
	case o.Limit < 1 || o.Limit > maxThrottleLimit:
		return fmt.Errorf("verifier: throttle: Limit is %d failures, want 1 to %d", o.Limit, maxThrottleLimit)
	case o.Free < 1 || o.Free > o.Limit:
		return fmt.Errorf("verifier: throttle: Free is %d failures, want 1 to Limit, %d", o.Free, o.Limit)
	case o.MaxDelay < 0:
		return fmt.Errorf("verifier: throttle: MaxDelay is %v, want more than 0", o.MaxDelay)
	case o.Waiters < 0:
		return fmt.Errorf("verifier: throttle: Waiters is %d, want 1 or more", o.Waiters)
	case o.Entries < 0 || o.Entries > maxThrottleEntries:
		return fmt.Errorf("verifier: throttle: Entries is %d, want 1 to %d", o.Entries, maxThrottleEntries)
	case o.StoreTimeout < 0:
		return fmt.Errorf("verifier: throttle: StoreTimeout is %v, want more than 0", o.StoreTimeout)
	}
	return nil
}

const (
	maxThrottleLimit   = 10_000
	maxThrottleEntries = math.MaxInt32 / 128 // 16 million, 1.2 GB
)

// or is v, or what zero stands for.
func or[T int | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

// exemptions returns the list to compare addresses with, which are never 4-in-6.
func exemptions(given []netip.Prefix) ([]netip.Prefix, error) {
	if given == nil {
		return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8), netip.PrefixFrom(netip.IPv6Loopback(), 128)}, nil
	}
	list := make([]netip.Prefix, 0, len(given))
	for _, p := range given {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if !p.IsValid() {
			return nil, fmt.Errorf("verifier: throttle: Exempt lists an invalid prefix, %v", p)
		}
		list = append(list, p)
	}
	return list, nil
}

// now is the time since the epoch, by the monotonic clock.
func (t *Throttle) now() int64 { return int64(time.Since(t.epoch)) }

// A throttled attempt, from Admit until it is settled.
type attempt struct {
	t       *Throttle
	keys    throttleKeys
	began   int64
	hold    throttleHold
	settled atomic.Bool
	shared  *sharedAttempt // nil if the store was not asked
}

type sharedAttempt struct {
	ThrottleAttempt
	verdict ThrottleVerdict
}

// Admit implements Guard. If it waits, the context ends the wait with an error that
// matches ErrUnavailable. A refusal is a *ThrottledError: at once, if the wait would
// pass the context's deadline or MaxDelay, or if too many are waiting.
func (t *Throttle) Admit(ctx context.Context, r Request) (done func(error), err error) {
	address := addressOf(&r)
	for _, p := range t.exempt {
		if p.Contains(address) {
			return notCounted, nil
		}
	}
	if ctx.Err() != nil {
		return nil, endedThrottle(ctx)
	}
	a := &attempt{t: t, keys: t.keys(address, r.User, r.Realm)}
	now := t.now()
	v := t.ask(ctx, a, &r, now, now)
	if v.Wait > 0 {
		if err := t.wait(ctx, a, &r, now, v); err != nil {
			return nil, err
		}
	}
	return a.done, nil
}

func notCounted(error) {}

func endedThrottle(ctx context.Context) error {
	return fmt.Errorf("verifier: throttle: %w: %w", ErrUnavailable, ctx.Err())
}

// ask decides about an attempt that came at a time: the store, or the table alone if
// the store does not answer.
func (t *Throttle) ask(ctx context.Context, a *attempt, r *Request, now, arrived int64) (v ThrottleVerdict) {
	a.began = now
	if t.link.store != nil {
		s := &sharedAttempt{ThrottleAttempt: t.described(r)}
		s.Waited = time.Duration(now - arrived)
		if t.link.ask(ctx, t.now, func(ctx context.Context) (err error) {
			s.verdict, err = t.link.store.Admit(ctx, s.ThrottleAttempt)
			return err
		}) {
			a.shared, a.hold = s, holdNothing
			return s.verdict
		}
		a.shared = nil
	}
	v, a.hold = t.table.admit(&a.keys, now, arrived)
	return v
}

// done settles the attempt. What was admitted by the store is told to the table too,
// for the time when the store does not answer.
func (a *attempt) done(err error) {
	if a.settled.Swap(true) {
		return
	}
	o, now := outcomeOf(err), a.began
	if o != ThrottleSucceeded {
		now = a.t.now()
	}
	a.t.table.settle(&a.keys, a.hold, now, a.began, o)
	if s := a.shared; s != nil {
		a.t.link.ask(context.Background(), a.t.now, func(ctx context.Context) error {
			return a.t.link.store.Settle(ctx, s.ThrottleAttempt, s.verdict, o)
		})
	}
}

func outcomeOf(err error) ThrottleOutcome {
	switch {
	case err == nil:
		return ThrottleSucceeded
	case errors.Is(err, ErrAbandoned):
		return ThrottleFailed
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrThrottled), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ThrottleVoid
	}
	return ThrottleFailed
}

// Forget forgives the address in r.Remote, if there is one, and the user in r.User
// and r.Realm, if it is not empty. The error is the store's, if that was not told.
func (t *Throttle) Forget(r Request) error {
	k := t.keys(addressOf(&r), r.User, r.Realm)
	if r.User == "" {
		k.user, k.pair = 0, 0
	}
	t.table.forget(k.address)
	t.table.forget(k.user)
	t.table.forget(k.pair)
	if t.link.store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.link.timeout)
	defer cancel()
	return t.link.store.Forget(ctx, t.described(&r))
}

// keys hashes the keys of an attempt, which lie behind each other: the pair is both.
func (t *Throttle) keys(address netip.Addr, user, realm string) (k throttleKeys) {
	var room [192]byte // longer names cost an allocation
	b := room[:0]
	switch p := prefixOf(address); {
	case address.Is4():
		four := p.Addr().As4()
		b = append(b, four[:]...)
	case address.Is6():
		sixteen := p.Addr().As16()
		b = append(b, sixteen[:8]...)
	}
	n := len(b)
	b = appendLower(b, user)
	b = append(b, 0)
	b = appendLower(b, realm)
	k.user = t.hash(1, b[n:])
	if n > 0 {
		k.address, k.pair = t.hash(0, b[:n]), t.hash(2, b)
	}
	return k
}

func (t *Throttle) hash(seed int, b []byte) throttleKey {
	return throttleKey(max(1, maphash.Bytes(t.seeds[seed], b)))
}

// addressOf is where a request comes from, in one spelling.
func addressOf(r *Request) netip.Addr { return r.Remote.Addr().Unmap().WithZone("") }

// prefixOf is what counts as one address: who has an IPv6 address usually has the
// 2^64 of its network.
func prefixOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // so many it has; of no address it is the zero Prefix
	return p
}

// appendLower appends a name in lower case.
func appendLower(b []byte, name string) []byte {
	start := len(b)
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 0x80:
			return append(b[:start], strings.ToLower(name)...)
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// described is an attempt as the store is told of it.
func (t *Throttle) described(r *Request) ThrottleAttempt {
	return ThrottleAttempt{
		Address: prefixOf(addressOf(r)),
		User:    strings.ToLower(r.User), Realm: strings.ToLower(r.Realm),
		Rules: t.table.rules,
	}
}
