//go:build unix

package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

// A bridge asks a store from inside a bubble of synctest: the network and its clock are
// outside. The store's clock is that of the bubble.
type bridge struct {
	mu       sync.Mutex
	store    *Store
	now      func() int64
	question chan func() error
	answer   chan error
}

// newBridge is called outside, and works until the test ends.
func newBridge(t testing.TB, s *Store) *bridge {
	b := &bridge{store: s, question: make(chan func() error), answer: make(chan error)}
	var worker sync.WaitGroup
	worker.Go(func() {
		for question := range b.question {
			b.answer <- question()
		}
	})
	t.Cleanup(func() {
		close(b.question)
		worker.Wait()
	})
	return b
}

func (b *bridge) ask(question func(context.Context) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := strconv.FormatInt(b.now(), 10)
	b.question <- func() error {
		b.store.now = func() string { return now }
		return question(context.Background())
	}
	return <-b.answer
}

func (b *bridge) Admit(_ context.Context, a verifier.ThrottleAttempt) (v verifier.ThrottleVerdict, err error) {
	err = b.ask(func(ctx context.Context) error {
		v, err = b.store.Admit(ctx, a)
		return err
	})
	return v, err
}

func (b *bridge) Settle(_ context.Context, a verifier.ThrottleAttempt, v verifier.ThrottleVerdict, o verifier.ThrottleOutcome) error {
	return b.ask(func(ctx context.Context) error { return b.store.Settle(ctx, a, v, o) })
}

func (b *bridge) Forget(_ context.Context, a verifier.ThrottleAttempt) error {
	return b.ask(func(ctx context.Context) error { return b.store.Forget(ctx, a) })
}

// The scripts decide as the table of verifier.Throttle does: random histories are the
// same for both, to the millisecond. (A wait that ends because attempts under way are
// forgotten ends when it is asked about again, which is not at the same time for both.
// One history in 600 has that, and none of these.)
func TestScriptsFollowTheRules(t *testing.T) {
	t.Parallel()
	b := newBridge(t, newServer(t).store(t, ""))
	waited, refused := 0, 0
	for seed := range uint64(12) {
		b.store.now = func() string { return "" }
		if err := b.store.client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			b.now = func() int64 { return 1_000_000_000_000 + time.Since(start).Milliseconds() }
			o := verifier.ThrottleOptions{Free: 3, Limit: 12, MaxDelay: 15 * time.Second}
			if seed%3 == 0 {
				o.MaxDelay = 5 * time.Second
			}
			h := &history{rnd: rand.New(rand.NewPCG(seed, 7))}
			h.local, _ = verifier.NewThrottle(o)
			h.shared = throttle(t, b, o)
			for range 400 {
				h.step(t)
			}
			waited, refused = waited+h.waited, refused+h.refused
		})
	}
	if waited < 100 || refused < 100 {
		t.Errorf("%d waited and %d were refused, which is too quiet", waited, refused)
	}
}

// A history is what happens to two Throttles alike.
type history struct {
	rnd             *rand.Rand
	local, shared   *verifier.Throttle
	underWay        [][2]func(error)
	waited, refused int
}

var (
	short = []time.Duration{0, 0, 0, 0, 10 * time.Millisecond, time.Second, 3 * time.Second, 20 * time.Second}
	long  = []time.Duration{59 * time.Second, 61 * time.Second, 10 * time.Minute, time.Hour, 24 * time.Hour}
)

// pause is mostly short, so that failures add up.
func (h *history) pause() {
	pauses := short
	if h.rnd.IntN(50) == 0 {
		pauses = long
	}
	time.Sleep(pauses[h.rnd.IntN(len(pauses))])
}

func (h *history) step(t *testing.T) {
	h.pause()
	if n := len(h.underWay); n > 0 && h.rnd.IntN(2) == 0 {
		i := h.rnd.IntN(n)
		outcome := []error{nil, verifier.ErrWrongPassword, verifier.ErrWrongPassword, verifier.ErrNoUser, verifier.ErrUnavailable}[h.rnd.IntN(5)]
		for _, done := range h.underWay[i] {
			done(outcome)
		}
		h.underWay[i] = h.underWay[n-1]
		h.underWay = h.underWay[:n-1]
		return
	}
	r := from([]string{"", "192.0.2.1", "192.0.2.2"}[h.rnd.IntN(3)], []string{"alice", "bob", "carol"}[h.rnd.IntN(3)])
	if h.rnd.IntN(60) == 0 {
		if err := errors.Join(h.local.Forget(r), h.shared.Forget(r)); err != nil {
			t.Error(err)
		}
		return
	}
	var dones [2]func(error)
	var said [2]string
	var both sync.WaitGroup
	for i, th := range []*verifier.Throttle{h.local, h.shared} {
		both.Go(func() {
			start := time.Now()
			done, err := th.Admit(t.Context(), r)
			dones[i] = done
			said[i] = fmt.Sprintf("%v after %v", err, time.Since(start))
			var e *verifier.ThrottledError
			if errors.As(err, &e) {
				said[i] += fmt.Sprintf(", come again after %v", e.After)
			}
		})
	}
	before := time.Now()
	both.Wait()
	if said[0] != said[1] {
		t.Fatalf("%q from %v: here %s, there %s", r.User, r.Remote, said[0], said[1])
	}
	if time.Since(before) > 0 {
		h.waited++
	}
	if dones[0] == nil {
		h.refused++
		return
	}
	h.underWay = append(h.underWay, dones)
}
