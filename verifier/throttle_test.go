package verifier

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// from is an attempt of a user from an address, "" for none.
func from(address, user string) Request {
	r := Request{User: user, Realm: "example.com", Service: "smtp", Mechanism: "PLAIN"}
	if address != "" {
		r.Remote = netip.AddrPortFrom(netip.MustParseAddr(address), 40000)
	}
	return r
}

// try makes an attempt that ends at once and returns how long it waited.
func try(t testing.TB, th *Throttle, r Request, outcome error) (time.Duration, error) {
	t.Helper()
	start := time.Now()
	done, err := th.Admit(t.Context(), r)
	waited := time.Since(start)
	if err == nil {
		done(outcome)
	}
	return waited, err
}

// waits makes n attempts one after the other and returns how long each waited.
func waits(t testing.TB, th *Throttle, n int, outcome error, request func(int) Request) (all []time.Duration) {
	t.Helper()
	for i := range n {
		waited, err := try(t, th, request(i), outcome)
		if err != nil {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
		all = append(all, waited)
	}
	return all
}

func seconds(list ...int) (all []time.Duration) {
	for _, s := range list {
		all = append(all, time.Duration(s)*time.Second)
	}
	return all
}

var manyUsers = func(i int) Request { return from("192.0.2.1", fmt.Sprint("user", i)) }
var manyAddresses = func(i int) Request { return from(fmt.Sprintf("10.0.%d.%d", i/256, i%256), "alice") }

func spelled(names ...string) func(int) Request {
	return func(i int) Request { return from(manyAddresses(i).Remote.Addr().String(), names[i%len(names)]) }
}

var noAddress = func(int) Request { return from("", "alice") }

func TestThrottleDelays(t *testing.T) {
	t.Parallel()
	steps := seconds(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 8, 15, 15, 15)
	for name, c := range map[string]struct {
		request func(int) Request
		outcome error
		want    []time.Duration
	}{
		"one address, many users":    {manyUsers, ErrWrongPassword, steps},
		"one user, many addresses":   {manyAddresses, ErrWrongPassword, steps},
		"one user, no address":       {noAddress, ErrWrongPassword, steps},
		"unknown users count alike":  {manyUsers, ErrNoUser, steps},
		"abandoned":                  {manyUsers, ErrAbandoned, steps},
		"abandoned, context is over": {manyUsers, errors.Join(context.Canceled, ErrAbandoned), steps},
		"any other error":            {manyUsers, errBackend, steps},
		"success":                    {manyUsers, nil, make([]time.Duration, 16)},
		"unavailable":                {manyUsers, wrapped(ErrUnavailable), make([]time.Duration, 16)},
		"throttled elsewhere":        {manyUsers, wrapped(ErrThrottled), make([]time.Duration, 16)},
		"cancelled":                  {manyUsers, wrapped(context.Canceled), make([]time.Duration, 16)},
		"timed out":                  {manyUsers, wrapped(context.DeadlineExceeded), make([]time.Duration, 16)},
		"one user in two spellings":  {spelled("alice", "ALICE"), ErrWrongPassword, steps},
		"beyond ASCII":               {spelled("Émile", "éMILE"), ErrWrongPassword, steps},
		"one IPv6 network":           {func(i int) Request { return from(fmt.Sprintf("2001:db8::%x", i), fmt.Sprint("user", i)) }, ErrWrongPassword, steps},
		"IPv6 networks":              {func(i int) Request { return from(fmt.Sprintf("2001:db8:0:%x::", i), fmt.Sprint("user", i)) }, ErrWrongPassword, make([]time.Duration, 16)},
		"IPv4 in IPv6": {func(i int) Request {
			return from([]string{"::ffff:192.0.2.1", "192.0.2.1"}[i%2], fmt.Sprint("user", i))
		}, ErrWrongPassword, steps},
		"a zone":          {func(i int) Request { return from(fmt.Sprintf("fe80::1%%eth%d", i), fmt.Sprint("user", i)) }, ErrWrongPassword, steps},
		"loopback":        {func(int) Request { return from("127.0.0.2", "alice") }, ErrWrongPassword, make([]time.Duration, 16)},
		"loopback, IPv6":  {func(int) Request { return from("::1", "alice") }, ErrWrongPassword, make([]time.Duration, 16)},
		"mapped loopback": {func(int) Request { return from("::ffff:127.0.0.1", "alice") }, ErrWrongPassword, make([]time.Duration, 16)},
		"nobody, nowhere": {func(int) Request { return Request{} }, ErrWrongPassword, steps},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := newTestThrottle(t, ThrottleOptions{})
				if diff := cmp.Diff(c.want, waits(t, th, 16, c.outcome, c.request)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestThrottleTimePasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newTestThrottle(t, ThrottleOptions{})
		waits(t, th, 9, ErrWrongPassword, manyUsers)
		time.Sleep(time.Minute)
		if diff := cmp.Diff(make([]time.Duration, 10), waits(t, th, 10, ErrWrongPassword, manyUsers)); diff != "" {
			t.Errorf("after a minute of grace (-want +got)\n%s", diff)
		}
		time.Sleep(time.Second)
		if diff := cmp.Diff(seconds(1, 4), waits(t, th, 2, ErrWrongPassword, manyUsers)); diff != "" {
			t.Errorf("a delay that has partly passed (-want +got)\n%s", diff)
		}
		time.Sleep(59 * time.Second)
		if diff := cmp.Diff(seconds(0, 15), waits(t, th, 2, ErrWrongPassword, manyUsers)); diff != "" {
			t.Errorf("nearly a minute without a failure (-want +got)\n%s", diff)
		}
		time.Sleep(time.Minute)
		if diff := cmp.Diff(make([]time.Duration, 10), waits(t, th, 10, ErrWrongPassword, manyUsers)); diff != "" {
			t.Errorf("a minute without a failure (-want +got)\n%s", diff)
		}
	})
}

// An address is refused after 100 failures in an hour, a user never.
func TestThrottleRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newTestThrottle(t, ThrottleOptions{})
		start := time.Now()
		waits(t, th, 100, ErrWrongPassword, manyUsers)
		for range 3 {
			waited, err := try(t, th, from("192.0.2.1", "somebody"), nil)
			var e *ThrottledError
			if waited != 0 || !errors.As(err, &e) || !errors.Is(err, ErrThrottled) || e.After != time.Hour-time.Since(start) {
				t.Fatalf("after 100 failures: waited %v, %v", waited, err)
			}
			want := "verifier: too many failed attempts: 100 in an hour from one address (come again after " + e.After.String() + ")"
			if err.Error() != want {
				t.Errorf("error %q, want %q", err, want)
			}
			time.Sleep(time.Minute)
		}
		if waited, err := try(t, th, from("192.0.2.2", "somebody"), nil); waited != 0 || err != nil {
			t.Errorf("another address: waited %v, %v", waited, err)
		}
		time.Sleep(time.Hour - time.Since(start))
		if waited, err := try(t, th, from("192.0.2.1", "somebody"), nil); waited != 0 || err != nil {
			t.Errorf("after the hour: waited %v, %v", waited, err)
		}
		if all := waits(t, th, 300, ErrWrongPassword, manyAddresses); all[299] != 15*time.Second {
			t.Errorf("the user's 300th failure waited %v", all[299])
		}
	})
}

// Who logged in from an address is not delayed there by what others do.
func TestThrottleKnownPair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newTestThrottle(t, ThrottleOptions{})
		home := from("198.51.100.1", "alice")
		try(t, th, home, nil)
		waits(t, th, 50, ErrWrongPassword, manyAddresses)
		waits(t, th, 100, ErrWrongPassword, func(i int) Request { return from("198.51.100.1", fmt.Sprint("user", i)) })
		for _, outcome := range []error{nil, nil, ErrUnavailable} {
			if waited, err := try(t, th, home, outcome); waited != 0 || err != nil {
				t.Errorf("alice at home: waited %v, %v", waited, err)
			}
		}
		if _, err := try(t, th, from("198.51.100.1", "bob"), nil); !errors.Is(err, ErrThrottled) {
			t.Errorf("bob, who never logged in there: %v", err)
		}
		if diff := cmp.Diff(make([]time.Duration, 10), waits(t, th, 10, ErrWrongPassword, func(int) Request { return home })); diff != "" {
			t.Errorf("alice's own failures at home (-want +got)\n%s", diff)
		}
		if _, err := try(t, th, home, nil); !errors.Is(err, ErrThrottled) {
			t.Errorf("after 10 failures of the pair: %v", err)
		}
		time.Sleep(time.Hour)
		if waited, err := try(t, th, home, nil); waited != 0 || err != nil {
			t.Errorf("alice at home an hour later: waited %v, %v", waited, err)
		}
	})
}

func TestThrottlePairIsForgottenAfterADay(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]time.Duration{
		24*time.Hour - time.Minute: 0,
		24 * time.Hour:             2 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			th := newTestThrottle(t, ThrottleOptions{})
			home := from("198.51.100.1", "alice")
			try(t, th, home, nil)
			time.Sleep(after)
			waits(t, th, 10, ErrWrongPassword, manyAddresses)
			if waited, err := try(t, th, home, nil); waited != want || err != nil {
				t.Errorf("after %v: waited %v, %v, want %v", after, waited, err, want)
			}
		})
	}
}

// A thousand guesses at once get no further than one after the other.
func TestThrottleParallelGuesses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare   func(testing.TB, *Throttle)
		request   func(int) Request
		at        map[time.Duration]int64 // how many were let in
		throttled int64
	}{
		"one address": {nil, manyUsers, map[time.Duration]int64{0: 10, 2 * time.Second: 11, 14 * time.Second: 13, time.Minute: 100}, 900},
		"a known pair": {func(t testing.TB, th *Throttle) { try(t, th, from("192.0.2.1", "alice"), nil) },
			func(int) Request { return from("192.0.2.1", "alice") }, map[time.Duration]int64{0: 20, 2 * time.Second: 20, time.Minute: 100}, 900},
		"one user": {nil, manyAddresses, map[time.Duration]int64{0: 10, 2 * time.Second: 11, 14 * time.Second: 13, time.Minute: 1000}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := newTestThrottle(t, ThrottleOptions{})
				if c.prepare != nil {
					c.prepare(t, th)
				}
				var in, throttled atomic.Int64
				var all sync.WaitGroup
				for i := range 1000 {
					all.Go(func() {
						done, err := th.Admit(t.Context(), c.request(i))
						if err != nil {
							throttled.Add(1)
							return
						}
						in.Add(1)
						time.Sleep(time.Millisecond) // the check
						done(ErrWrongPassword)
					})
				}
				start := time.Now()
				for _, after := range []time.Duration{0, 2 * time.Second, 14 * time.Second, time.Minute} {
					time.Sleep(after + 50*time.Millisecond - time.Since(start))
					synctest.Wait()
					if want, ok := c.at[after]; ok && in.Load() != want {
						t.Errorf("after %v %d were let in, want %d", after, in.Load(), want)
					}
				}
				all.Wait()
				if throttled.Load() != c.throttled {
					t.Errorf("%d were refused, want %d", throttled.Load(), c.throttled)
				}
			})
		})
	}
}

// Many logins at once from an address without a history wait for each other and not
// for the delays.
func TestThrottleParallelLogins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newTestThrottle(t, ThrottleOptions{})
		start := time.Now()
		var all sync.WaitGroup
		for i := range 90 {
			all.Go(func() {
				done, err := th.Admit(t.Context(), manyUsers(i))
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Millisecond)
				done(nil)
			})
		}
		all.Wait()
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("90 logins took %v", took)
		}
	})
}

// What waits too long is refused at once, and told when to come again; who comes
// then is let in.
func TestThrottleWaitIsTooLong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		maxDelay, timeout time.Duration
		request           func(int) Request
		failures          int
		waited, after     time.Duration
	}{
		"address, MaxDelay":          {maxDelay: 10 * time.Second, request: manyUsers, failures: 13, after: 15 * time.Second},
		"address, within MaxDelay":   {maxDelay: 10 * time.Second, request: manyUsers, failures: 12, waited: 8 * time.Second},
		"address, deadline":          {timeout: 10 * time.Second, request: manyUsers, failures: 13, after: 15 * time.Second},
		"user, MaxDelay":             {maxDelay: 10 * time.Second, request: manyAddresses, failures: 30, waited: 10 * time.Second},
		"user, deadline":             {timeout: 10 * time.Second, request: manyAddresses, failures: 13, after: 15 * time.Second},
		"user, MaxDelay in deadline": {maxDelay: 9 * time.Second, timeout: 10 * time.Second, request: manyAddresses, failures: 13, waited: 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := newTestThrottle(t, ThrottleOptions{MaxDelay: c.maxDelay})
				waits(t, th, c.failures, ErrWrongPassword, c.request)
				ctx := t.Context()
				if c.timeout > 0 {
					limited, cancel := context.WithTimeout(ctx, c.timeout)
					defer cancel()
					ctx = limited
				}
				start := time.Now()
				done, err := th.Admit(ctx, c.request(c.failures))
				var e *ThrottledError
				switch {
				case time.Since(start) != c.waited:
					t.Errorf("waited %v, want %v", time.Since(start), c.waited)
				case c.after == 0 && err != nil:
					t.Error(err)
				case c.after == 0:
					done(nil)
				case !errors.As(err, &e) || e.After != c.after:
					t.Errorf("error %v, want to be told to come again after %v", err, c.after)
				}
				time.Sleep(c.after)
				if waited, err := try(t, th, c.request(c.failures), nil); waited != 0 || err != nil {
					t.Errorf("coming again: waited %v, %v", waited, err)
				}
			})
		})
	}
}

func TestThrottleContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newTestThrottle(t, ThrottleOptions{})
		waits(t, th, 10, ErrWrongPassword, manyUsers)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := th.Admit(ctx, manyUsers(0))
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("cancelled while it waits: %v after %v", err, time.Since(start))
		}
		if _, err := th.Admit(ctx, from("192.0.2.2", "bob")); !errors.Is(err, ErrUnavailable) {
			t.Errorf("cancelled before: %v", err)
		}
		if th.queue.total != 0 || len(th.queue.of) != 0 {
			t.Errorf("the queue has %d places taken", th.queue.total)
		}
	})
}

// Admits that are abandoned while they wait leave nothing behind.
func TestThrottleLeavesNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		th := newTestThrottle(t, ThrottleOptions{})
		waits(t, th, 10, ErrWrongPassword, noAddress)
		for range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for range 1000 {
				all.Go(func() {
					if _, err := th.Admit(ctx, noAddress(0)); !errors.Is(err, ErrUnavailable) {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			cancel()
			all.Wait()
		}
	})
}

func TestThrottleQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newTestThrottle(t, ThrottleOptions{Waiters: 20})
		waits(t, th, 10, ErrWrongPassword, manyUsers)
		waits(t, th, 10, ErrWrongPassword, noAddress)
		ctx, cancel := context.WithCancel(t.Context())
		var refused atomic.Int64
		var all sync.WaitGroup
		start := func(n int, request func(int) Request) {
			for i := range n {
				all.Go(func() {
					if _, err := th.Admit(ctx, request(i)); errors.Is(err, ErrThrottled) {
						refused.Add(1)
					}
				})
			}
			synctest.Wait()
		}
		start(5, manyUsers)
		if refused.Load() != 3 {
			t.Errorf("%d of 5 from one address were refused, want 3", refused.Load())
		}
		start(20, noAddress)
		if refused.Load() != 5 {
			t.Errorf("%d of 25 were refused, want 5", refused.Load())
		}
		cancel()
		all.Wait()
		if th.queue.total != 0 || len(th.queue.of) != 0 {
			t.Errorf("the queue has %d places taken", th.queue.total)
		}
	})
}

func TestThrottleDoneOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newTestThrottle(t, ThrottleOptions{})
		for range 5 {
			done, err := th.Admit(t.Context(), manyUsers(0))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				done(ErrWrongPassword)
			}
			done(nil)
		}
		if all := waits(t, th, 6, ErrWrongPassword, manyUsers); all[4] != 0 || all[5] != 2*time.Second {
			t.Errorf("after 5 failures waited %v", all)
		}
	})
}

// A caller that never says how attempts end does not close out its address.
func TestThrottleNeverDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newTestThrottle(t, ThrottleOptions{})
		var dones []func(error)
		for i := range 10 {
			done, err := th.Admit(t.Context(), manyUsers(i))
			if err != nil {
				t.Fatal(err)
			}
			dones = append(dones, done)
		}
		time.Sleep(time.Minute)
		if waited, err := try(t, th, manyUsers(11), ErrWrongPassword); waited != 0 || err != nil {
			t.Errorf("waited %v, %v", waited, err)
		}
		for _, done := range dones {
			done(ErrUnavailable) // not a refund of the failure that was counted meanwhile
		}
		if all := waits(t, th, 10, ErrWrongPassword, manyUsers); all[8] != 0 || all[9] != 2*time.Second {
			t.Errorf("after one failure waited %v", all)
		}
	})
}

func TestThrottleForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newTestThrottle(t, ThrottleOptions{})
		waits(t, th, 12, ErrWrongPassword, manyUsers)
		waits(t, th, 12, ErrWrongPassword, noAddress)
		if err := th.Forget(from("192.0.2.1", "")); err != nil {
			t.Error(err)
		}
		if waited, err := try(t, th, manyUsers(0), nil); waited != 0 || err != nil {
			t.Errorf("the address: waited %v, %v", waited, err)
		}
		if waited, err := try(t, th, noAddress(0), nil); waited == 0 || err != nil {
			t.Errorf("the user, who was not meant: waited %v, %v", waited, err)
		}
		waits(t, th, 12, ErrWrongPassword, noAddress)
		th.Forget(from("", "ALICE"))
		if waited, err := try(t, th, noAddress(0), nil); waited != 0 || err != nil {
			t.Errorf("the user: waited %v, %v", waited, err)
		}
	})
}

func TestThrottleOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]ThrottleOptions{
		"Free":                 {Free: -1},
		"Free over Limit":      {Free: 101},
		"Limit":                {Limit: -1},
		"Limit is too high":    {Limit: 10_001},
		"MaxDelay":             {MaxDelay: -1},
		"Waiters":              {Waiters: -1},
		"Entries":              {Entries: -1},
		"Entries are too many": {Entries: maxThrottleEntries + 1},
		"StoreTimeout":         {StoreTimeout: -1},
		"Exempt":               {Exempt: []netip.Prefix{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			th, err := NewThrottle(o)
			option, _, _ := strings.Cut(name, " ")
			if th != nil || err == nil || !strings.HasPrefix(err.Error(), "verifier: throttle: "+option) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestThrottleExempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local := netip.MustParsePrefix("fe80::/10")
		mapped := netip.MustParsePrefix("::ffff:10.0.0.0/104")
		for name, c := range map[string]struct {
			exempt  []netip.Prefix
			address string
			want    time.Duration
		}{
			"nobody":              {[]netip.Prefix{}, "127.0.0.1", 2 * time.Second},
			"a list":              {[]netip.Prefix{mapped}, "10.1.2.3", 0},
			"a zone":              {[]netip.Prefix{local}, "fe80::1%eth0", 0},
			"not on the list":     {[]netip.Prefix{mapped}, "11.1.2.3", 2 * time.Second},
			"loopback not listed": {[]netip.Prefix{mapped}, "127.0.0.1", 2 * time.Second},
		} {
			th := newTestThrottle(t, ThrottleOptions{Exempt: c.exempt})
			all := waits(t, th, 11, ErrWrongPassword, func(i int) Request { return from(c.address, fmt.Sprint("user", i)) })
			if all[10] != c.want {
				t.Errorf("%s: waited %v, want %v", name, all[10], c.want)
			}
		}
	})
}

func TestThrottlePrintsNothing(t *testing.T) {
	t.Parallel()
	th := newTestThrottle(t, ThrottleOptions{Entries: 10})
	try(t, th, from("192.0.2.1", "alice"), ErrWrongPassword)
	if got := fmt.Sprintf("%v %+v %#v", th, th, th); got != "REDACTED REDACTED REDACTED" {
		t.Errorf("prints as %q", got)
	}
}
