package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

const (
	alicesPassword = "the pencil of alice"
	bobsPassword   = "the crayon of bob"
)

func testUsers(realm string) []verifiertest.User {
	return []verifiertest.User{
		{Name: "alice", Realm: realm, Password: alicesPassword},
		{Name: "bob", Realm: realm, Password: bobsPassword},
		{Name: "carol", Realm: realm, Password: "the chalk of carol", Disabled: true},
		{Name: "dave", Realm: realm, Password: "the quill of dave", Expired: true},
	}
}

func request(user, realm string) verifier.Request {
	return verifier.Request{
		User: user, Realm: realm, Service: "smtp", Mechanism: "PLAIN",
		Remote: netip.MustParseAddrPort("192.0.2.1:40000"), Local: netip.MustParseAddrPort("192.0.2.2:587"),
	}
}

// passwordOnly hides all that a verifier can but check passwords.
type passwordOnly struct{ verifier.Verifier }

func TestCacheKeepsTheContract(t *testing.T) {
	t.Parallel()
	users := testUsers("example.com")
	for name, v := range map[string]verifier.Verifier{
		"store":              verifier.Cache(verifiertest.NewMemory(users...), verifier.CacheOptions{Life: time.Hour}),
		"verifier":           verifier.Cache(passwordOnly{verifiertest.NewMemory(users...)}, verifier.CacheOptions{Life: time.Hour}),
		"one entry":          verifier.Cache(verifiertest.NewMemory(users...), verifier.CacheOptions{Life: time.Hour, Entries: 1}),
		"in a chain":         verifier.Chain(verifier.Cache(verifiertest.NewMemory(users...), verifier.CacheOptions{})),
		"over mapped realms": verifier.Cache(verifier.MapRealm(verifiertest.NewMemory(testUsers("old")...), map[string]string{"example.com": "old"}), verifier.CacheOptions{Life: time.Hour}),
	} {
		if err := verifiertest.TestVerifier(v, users...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCacheName(t *testing.T) {
	t.Parallel()
	c := verifier.Cache(verifier.Chain(verifier.Static{"alice": alicesPassword}), verifier.CacheOptions{})
	if got := verifier.Name(c); got != "cache of chain of verifier.Static" {
		t.Errorf("name %q", got)
	}
	if got := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(got, alicesPassword) || got != "REDACTED REDACTED REDACTED" {
		t.Errorf("prints as %q", got)
	}
}

// checks returns how often m is asked while f runs.
func checks(m *verifiertest.Memory, f func()) int64 {
	before := m.Checks.Load()
	f()
	return m.Checks.Load() - before
}

func verify(t testing.TB, v verifier.Verifier, r verifier.Request, password string, want error) {
	t.Helper()
	a, err := v.VerifyPassword(t.Context(), r, password)
	if !errors.Is(err, want) || (err == nil) != (a.User == r.User && a.Realm == r.Realm) {
		t.Errorf("%q: account %+v, error %v, want %v", r.User, a, err, want)
	}
}

func TestCacheRemembersSuccesses(t *testing.T) {
	t.Parallel()
	m := verifiertest.NewMemory(testUsers("")...)
	c := verifier.Cache(m, verifier.CacheOptions{Life: time.Hour})
	if n := checks(m, func() {
		for port := range uint16(5) {
			r := request("alice", "")
			r.Remote = netip.AddrPortFrom(r.Remote.Addr(), 40000+port)
			verify(t, c, r, alicesPassword, nil)
			verify(t, c, r, bobsPassword, verifier.ErrWrongPassword)
		}
	}); n != 1+5 {
		t.Errorf("the store was asked %d times, want once and for each wrong password", n)
	}
	if n := checks(m, func() {
		for range 3 {
			verify(t, c, request("nobody", ""), alicesPassword, verifier.ErrNoUser)
			verify(t, c, request("carol", ""), "the chalk of carol", verifier.ErrDisabled)
			verify(t, c, request("dave", ""), "the quill of dave", verifier.ErrExpired)
		}
	}); n != 9 {
		t.Errorf("the store was asked %d times about refusals, want 9", n)
	}
}

// A success is for the request that it was given to, and no other.
func TestCacheKey(t *testing.T) {
	t.Parallel()
	m := verifiertest.NewMemory(testUsers("")...)
	for name, change := range map[string]func(*verifier.Request){
		"user":      func(r *verifier.Request) { r.User = "bob" },
		"realm":     func(r *verifier.Request) { r.Realm = "example.org" },
		"service":   func(r *verifier.Request) { r.Service = "imap" },
		"mechanism": func(r *verifier.Request) { r.Mechanism = "LOGIN" },
		"remote":    func(r *verifier.Request) { r.Remote = netip.MustParseAddrPort("192.0.2.9:40000") },
		"mapped":    func(r *verifier.Request) { r.Remote = netip.MustParseAddrPort("[::ffff:192.0.2.1]:40000") },
		"local":     func(r *verifier.Request) { r.Local = netip.MustParseAddrPort("192.0.2.9:587") },
		"no remote": func(r *verifier.Request) { r.Remote = netip.AddrPort{} },
		"user and realm, cut elsewhere": func(r *verifier.Request) {
			r.User, r.Realm = "alic", "e"
		},
		"realm and service, cut elsewhere": func(r *verifier.Request) { r.Realm, r.Service = "s", "mtp" },
	} {
		c := verifier.Cache(m, verifier.CacheOptions{})
		r := request("alice", "")
		verify(t, c, r, alicesPassword, nil)
		change(&r)
		if n := checks(m, func() { c.VerifyPassword(t.Context(), r, alicesPassword) }); n != 1 {
			t.Errorf("%s: the store was not asked", name)
		}
	}
}

// Whoever asks, from many goroutines, gets the answer that the store would give:
// users with the same password, one user in two realms and for two services.
func TestCacheNeverMixesUp(t *testing.T) {
	t.Parallel()
	parts := []string{"", "a", "b", "ab", "A", "a@b", "\x00", "\x01a"}
	passwords := []string{"p", "ap", "bp", "\x01p", "pp"}
	right := func(r *verifier.Request, password string) bool {
		n := len(r.User)*7 + len(r.Realm)*3 + len(r.Service) + strings.Count(r.User+r.Realm, "b")
		return passwords[n%len(passwords)] == password
	}
	store := verifierFunc(func(_ context.Context, r verifier.Request, password string) (verifier.Account, error) {
		if !right(&r, password) {
			return verifier.Account{}, verifier.ErrWrongPassword
		}
		return verifier.Account{User: "u" + r.User, Realm: r.Realm, Attributes: map[string][]string{"service": {r.Service}}}, nil
	})
	c := verifier.Cache(store, verifier.CacheOptions{Life: time.Hour, Entries: 100})
	var all sync.WaitGroup
	for g := range uint64(8) {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(1, g))
			any := func(list []string) string { return list[rnd.IntN(len(list))] }
			for range 5000 {
				r := verifier.Request{User: any(parts), Realm: any(parts), Service: any(parts)}
				password := any(passwords)
				a, err := c.VerifyPassword(t.Context(), r, password)
				switch {
				case (err == nil) != right(&r, password):
					t.Errorf("%q with %q: %v", r, password, err)
				case err == nil && (a.User != "u"+r.User || a.Realm != r.Realm || a.Attributes["service"][0] != r.Service):
					t.Errorf("%q has the account %q", r, a)
				}
				if rnd.IntN(100) == 0 {
					c.Forget(r.User, r.Realm)
				}
			}
		})
	}
	all.Wait()
}

type verifierFunc func(context.Context, verifier.Request, string) (verifier.Account, error)

func (f verifierFunc) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	return f(ctx, r, password)
}

// A life begins when the store is asked, and hits do not prolong it.
func TestCacheLife(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]time.Duration{0: 5 * time.Second, -1: 5 * time.Second, time.Minute: time.Minute, 48 * time.Hour: time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			m := verifiertest.NewMemory(testUsers("")...)
			slow := &verifiertest.Faulty{Verifier: m, Fault: verifiertest.Fault{Delay: time.Second}}
			c := verifier.Cache(slow, verifier.CacheOptions{Life: life})
			verify(t, c, request("alice", ""), alicesPassword, nil)
			if n := checks(m, func() {
				for passed := time.Second; passed < want; passed += want / 10 {
					verify(t, c, request("alice", ""), alicesPassword, nil)
					time.Sleep(want / 10)
				}
			}); n != 0 {
				t.Errorf("life %v: the store was asked again within %v", life, want)
			}
			if n := checks(m, func() { verify(t, c, request("alice", ""), alicesPassword, nil) }); n != 1 {
				t.Errorf("life %v: the store was not asked after %v", life, want)
			}
		})
	}
}

func TestCacheMark(t *testing.T) {
	t.Parallel()
	m := verifiertest.NewMemory(testUsers("")...)
	var mark string
	var fault error
	c := verifier.Cache(m, verifier.CacheOptions{Life: time.Hour, Mark: func(_ context.Context, r verifier.Request) (string, error) {
		if r.User != "alice" {
			t.Errorf("asked for the mark of %q", r.User)
		}
		return mark, fault
	}})
	for i, step := range []struct {
		mark  string
		fault error
		want  int64
	}{
		{"1", nil, 1}, {"1", nil, 0}, {"2", nil, 1}, {"2", nil, 0},
		{"1", nil, 1}, // what was remembered under it is gone
		{"1", errors.New("stat failed"), 1}, {"1", errors.New("stat failed"), 1},
		{"1", nil, 1}, {"1", nil, 0}, {"", nil, 1}, {"", nil, 0},
	} {
		mark, fault = step.mark, step.fault
		if n := checks(m, func() { verify(t, c, request("alice", ""), alicesPassword, nil) }); n != step.want {
			t.Errorf("step %d: the store was asked %d times, want %d", i, n, step.want)
		}
	}
}

func TestCacheForget(t *testing.T) {
	t.Parallel()
	m := verifiertest.NewMemory(testUsers("")...)
	m.Add(verifiertest.User{Name: "alias", Password: alicesPassword})
	aliases := verifierFunc(func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
		a, err := m.VerifyPassword(ctx, r, password)
		if a.User == "alias" {
			a.User = "alice"
		}
		return a, err
	})
	c := verifier.Cache(aliases, verifier.CacheOptions{Life: time.Hour})
	for _, name := range []string{"alice", "ALICE"} {
		c.VerifyPassword(t.Context(), request("alice", ""), alicesPassword)
		c.VerifyPassword(t.Context(), request("alias", ""), alicesPassword)
		c.VerifyPassword(t.Context(), request("bob", ""), bobsPassword)
		c.Forget(name, "")
		if n := checks(m, func() {
			c.VerifyPassword(t.Context(), request("alice", ""), alicesPassword)
			c.VerifyPassword(t.Context(), request("alias", ""), alicesPassword)
			c.VerifyPassword(t.Context(), request("bob", ""), bobsPassword)
		}); n != 2 {
			t.Errorf("after Forget(%q) the store was asked %d times, want 2", name, n)
		}
	}
}

// An answer that was on its way when the user was forgotten is not remembered.
func TestCacheLateAnswer(t *testing.T) {
	t.Parallel()
	m := verifiertest.NewMemory(testUsers("")...)
	asked, answer := make(chan bool), make(chan bool)
	slow := verifierFunc(func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
		a, err := m.VerifyPassword(ctx, r, password)
		asked <- true
		<-answer
		return a, err
	})
	c := verifier.Cache(slow, verifier.CacheOptions{Life: time.Hour})
	var login sync.WaitGroup
	login.Go(func() { verify(t, c, request("alice", ""), alicesPassword, nil) }) // overlaps the change
	<-asked
	m.Remove("alice", "")
	c.Forget("alice", "")
	answer <- true
	login.Wait()
	login.Go(func() { verify(t, c, request("alice", ""), alicesPassword, verifier.ErrNoUser) })
	<-asked
	answer <- true
	login.Wait()
}

// A password that was replaced or removed through the cache is refused as soon as Update
// returns, however many log in meanwhile.
func TestCacheUpdateRevokes(t *testing.T) {
	t.Parallel()
	m := verifiertest.NewMemory(testUsers("")...)
	c := verifier.Cache(m, verifier.CacheOptions{Life: time.Hour})
	password := func(i int64) string { return fmt.Sprint("password ", i) }
	set := func(i int64) error {
		return c.Update(t.Context(), request("alice", ""), func(e verifier.Entry) (verifier.Entry, error) {
			e.Exists, e.Secrets = true, []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte(password(i))}}
			return e, nil
		})
	}
	if err := set(0); err != nil {
		t.Fatal(err)
	}
	const rounds = 2000
	var oldest, newest atomic.Int64 // passwords that a login may succeed with
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for newest.Load() < rounds {
				first := oldest.Load()
				for i := max(0, first-2); i < first; i++ {
					if a, err := c.VerifyPassword(t.Context(), request("alice", ""), password(i)); err == nil {
						t.Errorf("password %d lets in %q after the change to %d", i, a.User, first)
						return
					}
				}
				c.VerifyPassword(t.Context(), request("alice", ""), password(first))
			}
		})
	}
	for i := range int64(rounds) {
		newest.Store(i + 1)
		if err := set(i + 1); err != nil {
			t.Error(err)
		}
		oldest.Store(i + 1)
		verify(t, c, request("alice", ""), password(i), verifier.ErrWrongPassword)
	}
	all.Wait()
}

func TestCacheUpdateOfWhatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, v := range []verifier.SecretStore{
		verifier.Cache(passwordOnly{verifier.Static{}}, verifier.CacheOptions{}),
		verifier.Cache(verifier.Static{}, verifier.CacheOptions{}),
		verifier.MapRealm(verifier.Static{}, nil),
	} {
		if err := v.Update(t.Context(), request("alice", ""), nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", verifier.Name(v), err)
		}
	}
}

// The caller owns what it gets, and the store what it gave.
func TestCacheCopiesAttributes(t *testing.T) {
	t.Parallel()
	given := map[string][]string{"home": {"/home/alice"}}
	c := verifier.Cache(verifierFunc(func(context.Context, verifier.Request, string) (verifier.Account, error) {
		return verifier.Account{User: "alice", Attributes: given}, nil
	}), verifier.CacheOptions{Life: time.Hour})
	for range 3 {
		a, err := c.VerifyPassword(t.Context(), request("alice", ""), alicesPassword)
		if diff := cmp.Diff(map[string][]string{"home": {"/home/alice"}}, a.Attributes); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
		a.Attributes["home"][0] = "/root"
		a.Attributes["shell"] = nil
		given = map[string][]string{"home": {"/home/alice"}}
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	m := new(verifiertest.Memory)
	for i := range 300 {
		m.Add(verifiertest.User{Name: fmt.Sprint("user", i), Password: alicesPassword})
	}
	c := verifier.Cache(m, verifier.CacheOptions{Life: time.Hour, Entries: 100})
	login := func(i int) int64 {
		return checks(m, func() { verify(t, c, request(fmt.Sprint("user", i), ""), alicesPassword, nil) })
	}
	for i := range 300 {
		login(i)
		if login(0) != 0 {
			t.Fatalf("who logs in all the time was forgotten after %d others", i)
		}
	}
	for i := 299; i > 299-49; i-- {
		if login(i) != 0 {
			t.Fatalf("user %d of 300 was forgotten", i)
		}
	}
	var hits int64
	for i := range 200 {
		hits += 1 - login(i)
	}
	if hits > 100 {
		t.Errorf("%d hits in a cache of 100", hits)
	}
}

func BenchmarkCache(b *testing.B) {
	for name, m := range map[string]func(context.Context, verifier.Request) (string, error){
		"hit":           nil,
		"hit with mark": func(context.Context, verifier.Request) (string, error) { return "1", nil },
	} {
		b.Run(name, func(b *testing.B) {
			c := verifier.Cache(verifier.Static{"alice": alicesPassword}, verifier.CacheOptions{Life: time.Hour, Mark: m})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.VerifyPassword(b.Context(), request("alice", "example.com"), alicesPassword); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
