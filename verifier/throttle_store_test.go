package verifier

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A fakeStore answers with a verdict, an error, or not at all.
type fakeStore struct {
	mu      sync.Mutex
	verdict func(ThrottleAttempt) ThrottleVerdict // nil: may begin
	err     error
	hangs   bool
	calls   []string
	asked   []ThrottleAttempt
}

func (s *fakeStore) call(ctx context.Context, name string, a ThrottleAttempt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.asked = append(s.calls, name), append(s.asked, a)
	if s.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.err
}

func (s *fakeStore) Admit(ctx context.Context, a ThrottleAttempt) (ThrottleVerdict, error) {
	if err := s.call(ctx, "admit", a); err != nil || s.verdict == nil {
		return ThrottleVerdict{Began: 4711}, err
	}
	return s.verdict(a), nil
}

func (s *fakeStore) Settle(ctx context.Context, a ThrottleAttempt, v ThrottleVerdict, o ThrottleOutcome) error {
	name := map[ThrottleOutcome]string{ThrottleSucceeded: "succeeded", ThrottleFailed: "failed", ThrottleVoid: "void"}[o]
	if v.Began != 4711 {
		name += " something else"
	}
	return s.call(ctx, name, a)
}

func (s *fakeStore) Forget(ctx context.Context, a ThrottleAttempt) error {
	return s.call(ctx, "forget", a)
}

// told returns the calls since it was last asked.
func (s *fakeStore) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func TestThrottleAsksTheStore(t *testing.T) {
	t.Parallel()
	s := &fakeStore{}
	th := newTestThrottle(t, ThrottleOptions{Store: s, Limit: 50, MaxDelay: 9 * time.Second})
	for outcome, name := range map[error]string{nil: "succeeded", ErrWrongPassword: "failed", ErrUnavailable: "void"} {
		r := from("2001:db8::1", "ALICE")
		r.Realm = "Example.COM"
		try(t, th, r, outcome)
		if got := s.told(); !slices.Equal(got, []string{"admit", name}) {
			t.Errorf("outcome %v: the store heard %v", outcome, got)
		}
	}
	want := ThrottleAttempt{
		Address: netip.MustParsePrefix("2001:db8::/64"), User: "alice", Realm: "example.com",
		Rules: ThrottleRules{Free: 10, Limit: 50, Steps: throttleSteps(), UserDelay: 9 * time.Second},
	}
	for _, got := range s.asked {
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	try(t, th, from("127.0.0.1", "alice"), nil)
	if got := s.told(); got != nil {
		t.Errorf("for an exempt address the store heard %v", got)
	}
	if err := th.Forget(from("", "alice")); err != nil || !slices.Equal(s.told(), []string{"forget"}) {
		t.Errorf("forget: %v", err)
	}
	s.err = errBackend
	if err := th.Forget(from("", "alice")); !errors.Is(err, errBackend) {
		t.Errorf("forget: %v", err)
	}
}

// What the store says counts, whatever the table of this server thinks.
func TestThrottleStoreDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{}
		th := newTestThrottle(t, ThrottleOptions{Store: s})
		if all := waits(t, th, 30, ErrWrongPassword, noAddress); all[29] != 0 {
			t.Errorf("the store lets in, the table made wait: %v", all)
		}
		s.verdict = func(a ThrottleAttempt) ThrottleVerdict {
			return ThrottleVerdict{Wait: max(0, 4*time.Second-a.Waited), Began: 4711}
		}
		s.told()
		if waited, err := try(t, th, from("", "bob"), nil); waited != 4*time.Second || err != nil {
			t.Errorf("waited %v, %v", waited, err)
		}
		if got := s.told(); len(got) != 4+1+1 {
			t.Errorf("for a wait of 4 s the store heard %v", got)
		}
		s.verdict = func(ThrottleAttempt) ThrottleVerdict { return ThrottleVerdict{Wait: time.Hour, Refused: true} }
		var e *ThrottledError
		if _, err := try(t, th, from("", "bob"), nil); !errors.As(err, &e) || e.After != time.Hour {
			t.Errorf("refused: %v", err)
		}
	})
}

// Who has waited for as long as may be is let in, even if that took longer than it
// should.
func TestThrottleWaitIsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{}
		s.verdict = func(a ThrottleAttempt) ThrottleVerdict {
			time.Sleep(10 * time.Millisecond)
			return ThrottleVerdict{Wait: max(0, 2*time.Second-a.Waited), Began: 4711}
		}
		th := newTestThrottle(t, ThrottleOptions{Store: s, MaxDelay: 2 * time.Second})
		if waited, err := try(t, th, from("", "bob"), nil); waited <= 2*time.Second || err != nil {
			t.Errorf("waited %v, %v", waited, err)
		}
	})
}

// A store that fails or hangs is asked once in five seconds, no login fails, and the
// table knows what happened.
func TestThrottleStoreInTrouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		store *fakeStore
		first time.Duration
	}{
		"error":   {&fakeStore{err: errBackend}, 0},
		"hanging": {&fakeStore{hangs: true}, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []time.Duration
				start := time.Now()
				s := &fakeStore{}
				th := newTestThrottle(t, ThrottleOptions{Store: s, StoreTrouble: func(err error) {
					told = append(told, time.Since(start).Truncate(time.Second))
					if !errors.Is(err, ErrUnavailable) || c.store.err != nil && !errors.Is(err, c.store.err) {
						t.Errorf("trouble: %v", err)
					}
				}})
				waits(t, th, 5, ErrWrongPassword, manyUsers)
				s.hangs, s.err = c.store.hangs, c.store.err
				s.told()
				want := append([]time.Duration{c.first}, make([]time.Duration, 4)...)
				if diff := cmp.Diff(want, waits(t, th, 5, ErrWrongPassword, manyUsers)); diff != "" {
					t.Errorf("waits (-want +got)\n%s", diff)
				}
				if waited, err := try(t, th, manyUsers(11), ErrUnavailable); waited != 2*time.Second || err != nil {
					t.Errorf("after ten failures waited %v, %v", waited, err)
				}
				if got := s.told(); len(got) != 1 {
					t.Errorf("the store heard %v", got)
				}
				time.Sleep(5*time.Second - time.Since(start) + time.Second/2)
				try(t, th, from("", "bob"), nil)
				try(t, th, from("", "bob"), nil)
				if got := s.told(); len(got) != 1 {
					t.Errorf("after five seconds the store heard %v", got)
				}
				if diff := cmp.Diff([]time.Duration{0, 5 * time.Second}, told); diff != "" {
					t.Errorf("trouble was told (-want +got)\n%s", diff)
				}
				s.err, s.hangs = nil, false
				time.Sleep(6 * time.Second)
				try(t, th, from("", "bob"), nil)
				try(t, th, from("", "bob"), nil)
				if got := s.told(); len(got) != 4 {
					t.Errorf("a store that answers again heard %v", got)
				}
			})
		})
	}
}

// A login whose own time is over says nothing about the store.
func TestThrottleStoreAndContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{hangs: true}
		th := newTestThrottle(t, ThrottleOptions{Store: s, StoreTrouble: func(err error) { t.Error(err) }})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if done, err := th.Admit(ctx, from("", "bob")); err == nil {
			done(ctx.Err())
		}
		s.hangs = false
		s.told()
		try(t, th, from("", "bob"), nil)
		if got := s.told(); !slices.Equal(got, []string{"admit", "succeeded"}) {
			t.Errorf("the store heard %v", got)
		}
	})
}
