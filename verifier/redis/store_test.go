//go:build unix

package redis

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"

	"github.com/saslkit/saslkit/verifier"
)

func from(address, user string) verifier.Request {
	r := verifier.Request{User: user, Realm: "example.com", Service: "smtp"}
	if address != "" {
		r.Remote = netip.AddrPortFrom(netip.MustParseAddr(address), 40000)
	}
	return r
}

func fail(t testing.TB, th *verifier.Throttle, n int, r verifier.Request) {
	t.Helper()
	for i := range n {
		done, err := th.Admit(t.Context(), r)
		if err != nil {
			t.Fatalf("failure %d of %d: %v", i+1, n, err)
		}
		done(verifier.ErrWrongPassword)
	}
}

// attempt is what a Throttle with the usual options would ask.
func attempt(r verifier.Request) verifier.ThrottleAttempt {
	a := verifier.ThrottleAttempt{User: r.User, Realm: r.Realm, Rules: verifier.ThrottleRules{
		Free: 10, Limit: 100, UserDelay: 15 * time.Second,
		Steps: []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second},
	}}
	if r.Remote.IsValid() {
		a.Address = netip.PrefixFrom(r.Remote.Addr(), r.Remote.Addr().BitLen())
	}
	return a
}

// delay returns how long an attempt would have to wait by the counts of the store.
func delay(t testing.TB, s *Store, r verifier.Request) time.Duration {
	t.Helper()
	a := attempt(r)
	v, err := s.Admit(t.Context(), a)
	if err == nil && v.Wait == 0 {
		err = s.Settle(t.Context(), a, v, verifier.ThrottleVoid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v.Wait
}

func delayed(t testing.TB, s *Store, r verifier.Request) bool {
	t.Helper()
	return delay(t, s, r) > 0
}

func TestTwoServersCountTogether(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	stores := []*Store{server.store(t, ""), server.store(t, "")}
	one, two := throttle(t, stores[0], verifier.ThrottleOptions{}), throttle(t, stores[1], verifier.ThrottleOptions{})
	fail(t, one, 5, from("192.0.2.1", "alice"))
	fail(t, two, 5, from("192.0.2.2", "ALICE"))
	for _, s := range stores {
		if delay(t, s, from("", "alice")) != 2*time.Second || delay(t, s, from("192.0.2.3", "alice")) != 2*time.Second {
			t.Error("ten failures of the user on two servers cost nothing")
		}
		if delayed(t, s, from("192.0.2.1", "bob")) {
			t.Error("five failures of an address made another user wait")
		}
	}
	fail(t, one, 5, from("192.0.2.1", "carol"))
	if delay(t, stores[1], from("192.0.2.1", "dave")) != 2*time.Second {
		t.Error("ten failures of the address cost nothing on the other server")
	}
	if err := two.Forget(from("192.0.2.1", "")); err != nil {
		t.Error(err)
	}
	if delayed(t, stores[0], from("192.0.2.1", "dave")) {
		t.Error("the address was forgiven on the other server, and is delayed")
	}
	if err := two.Forget(from("", "Alice")); err != nil {
		t.Error(err)
	}
	if delayed(t, stores[0], from("", "alice")) {
		t.Error("the user was forgiven on the other server, and is delayed")
	}
	if err := two.Forget(verifier.Request{}); err != nil {
		t.Error(err)
	}
}

func TestKnownPairIsKnownToAll(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	stores := []*Store{server.store(t, ""), server.store(t, "")}
	one, two := throttle(t, stores[0], verifier.ThrottleOptions{}), throttle(t, stores[1], verifier.ThrottleOptions{})
	home := from("198.51.100.1", "alice")
	done, err := one.Admit(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	done(nil)
	fail(t, one, 10, from("", "alice"))
	if delayed(t, stores[1], home) || !delayed(t, stores[1], from("198.51.100.2", "alice")) {
		t.Error("who logged in at one server is not known at the other")
	}
	fail(t, two, 10, home)
	if !delayed(t, stores[0], home) {
		t.Error("the pair's own failures cost nothing")
	}
}

// Of a thousand guesses at once on two servers exactly ten are let in.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	var throttles [2]*verifier.Throttle
	for i := range throttles {
		throttles[i] = throttle(t, server.store(t, ""), verifier.ThrottleOptions{MaxDelay: time.Second})
	}
	var in, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			done, err := throttles[i%2].Admit(t.Context(), from("192.0.2.1", fmt.Sprint("user", i)))
			switch {
			case err == nil:
				in.Add(1)
				done(verifier.ErrWrongPassword)
			case errors.Is(err, verifier.ErrThrottled):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if in.Load() != 10 || refused.Load() != 990 {
		t.Errorf("%d were let in and %d refused, want 10 and 990", in.Load(), refused.Load())
	}
}

// The database holds no names, and nothing for ever.
func TestWhatIsStored(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	s := server.store(t, "")
	th := throttle(t, s, verifier.ThrottleOptions{})
	done, err := th.Admit(t.Context(), from("192.0.2.1", "alice"))
	if err != nil {
		t.Fatal(err)
	}
	done(nil)
	fail(t, th, 1, from("192.0.2.77", "bob"))
	under, err := th.Admit(t.Context(), from("2001:db8::1", "carol"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, key := range keys {
		kind, ok := strings.CutPrefix(key, "saslkit:{throttle}:")
		if !ok || len(kind) != len("u:")+22 {
			t.Errorf("key %q", key)
			continue
		}
		kinds[kind[:2]]++
		most := time.Hour
		if kind[0] == 'p' {
			most = 24 * time.Hour
		}
		life, err := s.client.PTTL(t.Context(), key).Result()
		if err != nil || life <= 0 || life > most {
			t.Errorf("key %q lives for %v, %v", key, life, err)
		}
		value, err := s.client.Get(t.Context(), key).Result()
		for _, name := range []string{"alice", "bob", "carol", "example", "192.0.2", "2001"} {
			if err != nil || strings.Contains(key+value, name) {
				t.Errorf("key %q: %q, %v", key, value, err)
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"a:": 2, "u:": 2, "p:": 1}, kinds); diff != "" {
		t.Errorf("kinds of keys (-want +got)\n%s", diff)
	}
	under(verifier.ErrUnavailable)
	if n := s.client.DBSize(t.Context()).Val(); n != 3 {
		t.Errorf("%d keys when nothing is under way, want 3", n)
	}
}

func TestTimePasses(t *testing.T) {
	t.Parallel()
	s := newServer(t).store(t, "")
	now := int64(1_000_000_000_000)
	s.now = func() string { return strconv.FormatInt(now, 10) }
	th := throttle(t, s, verifier.ThrottleOptions{})
	fail(t, th, 10, from("192.0.2.1", "alice"))
	for _, c := range []struct {
		name  string
		after time.Duration
		want  time.Duration
	}{
		{"at once", 0, 2 * time.Second},
		{"half of it has passed", time.Second, time.Second},
		{"the delay has passed", 2 * time.Second, 0},
		{"the clock went back by ten years", -10 * 365 * 24 * time.Hour, 2 * time.Second},
	} {
		now = 1_000_000_000_000 + c.after.Milliseconds()
		if got := delay(t, s, from("192.0.2.1", "bob")); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	s.now = func() string { return "" } // it is later by the database's clock
	if delayed(t, s, from("192.0.2.1", "bob")) {
		t.Error("much later there is a delay")
	}
}

// Redis may lose everything, scripts included, and hold what is not ours.
func TestForeignHands(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	s := server.store(t, "")
	th := throttle(t, s, verifier.ThrottleOptions{StoreTrouble: func(err error) { t.Errorf("trouble: %v", err) }})
	r := from("192.0.2.1", "alice")
	a := attempt(r)
	for name, damage := range map[string]func(key string) error{
		"flush": func(string) error { return s.client.FlushAll(t.Context()).Err() },
		"script flush": func(string) error {
			return errors.Join(s.client.FlushAll(t.Context()).Err(), s.client.ScriptFlush(t.Context()).Err())
		},
		"a list": func(key string) error {
			return errors.Join(s.client.Del(t.Context(), key).Err(), s.client.LPush(t.Context(), key, "1").Err())
		},
		"text":     func(key string) error { return s.client.Set(t.Context(), key, "alice", 0).Err() },
		"nothing":  func(key string) error { return s.client.Set(t.Context(), key, "", 0).Err() },
		"too few":  func(key string) error { return s.client.Set(t.Context(), key, "1 2 3 4 5", 0).Err() },
		"negative": func(key string) error { return s.client.Set(t.Context(), key, "0 0 0 -1 -1 -1", 0).Err() },
		"very large": func(key string) error {
			return s.client.Set(t.Context(), key, strings.Repeat("9", 400)+" 0 0 0 0 0", 0).Err()
		},
		"a large record": func(key string) error { return s.client.Set(t.Context(), key, strings.Repeat("1", 1<<20), 0).Err() },
	} {
		fail(t, th, 10, r)
		if !delayed(t, s, r) {
			t.Errorf("%s: no delay before", name)
		}
		for _, key := range s.keys(&a) {
			if err := damage(key); err != nil {
				t.Fatal(err)
			}
		}
		if delayed(t, s, r) {
			t.Errorf("%s: there is still a delay", name)
		}
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	server := newServer(t, "--requirepass", "pencil")
	for password, ok := range map[string]bool{"pencil": true, "crayon": false, "": false} {
		s := server.store(t, password)
		if err := s.Ping(t.Context()); (err == nil) != ok || err != nil && strings.Contains(err.Error(), "crayon") {
			t.Errorf("password %q: %v", password, err)
		}
		var trouble atomic.Int64
		th := throttle(t, s, verifier.ThrottleOptions{StoreTrouble: func(error) { trouble.Add(1) }})
		fail(t, th, 10, from("192.0.2.1", fmt.Sprint("alice", password)))
		if (trouble.Load() == 0) != ok {
			t.Errorf("password %q: trouble was told %d times", password, trouble.Load())
		}
		if ok && !delayed(t, s, from("", "alicepencil")) {
			t.Error("nothing was counted")
		}
	}
}

// When the server dies, or hangs, each decides alone: nobody's login fails, and who
// guesses is delayed by what this one saw.
func TestServerInTrouble(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(testing.TB, *server){
		"killed":  func(_ testing.TB, s *server) { s.kill() },
		"hanging": func(t testing.TB, s *server) { s.pause(t, syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			s := server.store(t, "")
			var told atomic.Int64
			th := throttle(t, s, verifier.ThrottleOptions{
				MaxDelay: time.Second, StoreTimeout: 500 * time.Millisecond,
				StoreTrouble: func(err error) {
					told.Add(1)
					if !errors.Is(err, verifier.ErrUnavailable) {
						t.Errorf("trouble: %v", err)
					}
				},
			})
			fail(t, th, 5, from("192.0.2.1", "alice"))
			under, err := th.Admit(t.Context(), from("192.0.2.1", "bob"))
			if err != nil {
				t.Fatal(err)
			}
			trouble(t, server)
			under(verifier.ErrWrongPassword)
			for i := range 50 {
				done, err := th.Admit(t.Context(), from("192.0.2.2", fmt.Sprint("user", i)))
				if err != nil {
					t.Fatal(err)
				}
				done(nil)
			}
			fail(t, th, 4, from("192.0.2.1", "carol"))
			if _, err := th.Admit(t.Context(), from("192.0.2.1", "dave")); !errors.Is(err, verifier.ErrThrottled) {
				t.Errorf("after six failures before and four meanwhile: %v", err)
			}
			if told.Load() == 0 {
				t.Error("nobody was told")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := s.Ping(ctx); err == nil {
				t.Error("Ping says that all is well")
			}
		})
	}
}

// A server that comes back is used again, and knows what it knew if it only hung.
func TestServerRecovers(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	s := server.store(t, "")
	a := attempt(from("192.0.2.1", "alice"))
	ask := func(ctx context.Context) error {
		v, err := s.Admit(ctx, a)
		if err == nil {
			err = s.Settle(ctx, a, v, verifier.ThrottleFailed)
		}
		return err
	}
	if err := ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.pause(t, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := ask(ctx); err == nil {
		t.Error("a server that hangs has answered")
	}
	server.pause(t, syscall.SIGCONT)
	if err := ask(t.Context()); err != nil {
		t.Errorf("after it hung: %v", err)
	}
	server.kill()
	if err := ask(t.Context()); err == nil {
		t.Error("a server that is gone has answered")
	}
	server.start(t)
	if err := ask(t.Context()); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// A login is two calls, whoever logs in.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	s := newServer(t).store(t, "")
	th := throttle(t, s, verifier.ThrottleOptions{})
	login := func(outcome error) {
		done, err := th.Admit(t.Context(), from("192.0.2.1", "alice"))
		if err != nil {
			t.Fatal(err)
		}
		done(outcome)
		done(outcome)
	}
	login(nil) // loads the scripts
	if err := s.client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		login(nil)
		login(verifier.ErrWrongPassword)
	}
	stats := s.client.Info(t.Context(), "commandstats").Val()
	if !strings.Contains(stats, "cmdstat_evalsha:calls=8,") || strings.Contains(stats, "cmdstat_eval:") {
		t.Errorf("four logins:\n%s", stats)
	}
}

// Nothing is left when the store is closed, whatever happened to the server.
func TestLeavesNothing(t *testing.T) {
	server := newServer(t)
	before := runtime.NumGoroutine()
	for i := range 4 {
		s := server.store(t, "")
		th := throttle(t, s, verifier.ThrottleOptions{StoreTimeout: 50 * time.Millisecond})
		switch i {
		case 1:
			server.pause(t, syscall.SIGSTOP)
		case 2:
			server.pause(t, syscall.SIGCONT)
			server.kill()
		}
		var all sync.WaitGroup
		for n := range 100 {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Duration(n)*time.Millisecond, cancel)
				if done, err := th.Admit(ctx, from("", fmt.Sprint("user", n%7))); err == nil {
					done(verifier.ErrAbandoned)
				}
			})
		}
		all.Wait()
		s.Close()
	}
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, there were %d\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	address := &goredis.UniversalOptions{Addrs: []string{"/nowhere/socket"}}
	for name, o := range map[string]Options{
		"no server":   {Key: testKey},
		"no address":  {Server: &goredis.UniversalOptions{}, Key: testKey},
		"no key":      {Server: address},
		"a short key": {Server: address, Key: testKey[:15]},
	} {
		if s, err := New(o); s != nil || err == nil || !strings.HasPrefix(err.Error(), "redis: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := New(Options{Server: address, Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, v := range []any{s, Options{Server: address, Key: testKey}} {
		if got := fmt.Sprintf("%v %+v %#v", v, v, v); got != "REDACTED REDACTED REDACTED" {
			t.Errorf("prints as %q", got)
		}
	}
	if address.MaxRetries != 0 {
		t.Error("New changed its argument")
	}
}

// Different things have different names, and names differ by key.
func TestKeys(t *testing.T) {
	t.Parallel()
	other, err := New(Options{Server: &goredis.UniversalOptions{Addrs: []string{"/nowhere/socket"}}, Key: []byte("another key of 16")})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	same, err := New(Options{Server: &goredis.UniversalOptions{Addrs: []string{"/nowhere/socket"}}, Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	seen := map[string]string{}
	for _, s := range []*Store{other, same} {
		for _, address := range []string{"", "192.0.2.1", "192.0.2.2", "2001:db8::", "2001:db8:0:1::"} {
			for _, who := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}} {
				a := attempt(from(address, who[0]))
				a.Realm = who[1]
				what := fmt.Sprint(s == same, who)
				for i, key := range s.keys(&a) {
					what := []string{what, fmt.Sprint(s == same, address), what + address}[i]
					if was, ok := seen[key]; ok && was != what {
						t.Errorf("%s and %s have one key", was, what)
					}
					seen[key] = what
				}
			}
		}
	}
	if want := 2 * (4 + 4 + 16); len(seen) != want {
		t.Errorf("%d keys, want %d", len(seen), want)
	}
}
