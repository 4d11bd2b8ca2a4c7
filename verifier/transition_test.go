package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// A move is a transition under test, and both of its ends.
type move struct {
	t        testing.TB
	from, to *verifiertest.Memory
	*verifier.Transitioning

	mu     sync.Mutex
	events []string
}

// newMove has quick kinds unless o names others: a test computes no keys needlessly.
func newMove(t testing.TB, o verifier.TransitionOptions) *move {
	t.Helper()
	m := &move{t: t, from: verifiertest.NewMemory(testUsers("")...), to: new(verifiertest.Memory)}
	if o.Kinds == nil {
		o.Kinds = []verifier.Kind{verifier.KindCRAMMD5}
	}
	o.Observer = func(e verifier.TransitionEvent) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.events = append(m.events, fmt.Sprintf("%s %s %v", e.Change, e.User, e.Err))
	}
	var err error
	if m.Transitioning, err = verifier.Transition(passwordOnly{m.from}, m.to, o); err != nil {
		t.Fatal(err)
	}
	return m
}

// login is one by PLAIN, after which the copy is waited for. It is used in bubbles.
func (m *move) login(user, password string, want error) {
	m.t.Helper()
	verify(m.t, m, request(user, ""), password, want)
	synctest.Wait()
}

// serves checks what a mechanism gets.
func (m *move) serves(user, password string, want error) {
	m.t.Helper()
	serves(m.t, m, user, password, want)
}

func serves(t testing.TB, s verifier.SecretSource, user, password string, want error, kinds ...verifier.Kind) {
	t.Helper()
	if kinds == nil {
		kinds = []verifier.Kind{verifier.KindCRAMMD5, verifier.KindPassword, verifier.KindSCRAMSHA256}
	}
	r := request(user, "")
	held, err := s.LookupSecret(t.Context(), r, kinds...)
	switch match, _ := held.Matches(t.Context(), r, password); {
	case !errors.Is(err, want) || (want == nil) != (err == nil):
		t.Errorf("%s: a look-up gives %v, want %v", user, err, want)
	case err != nil && !verifier.Terminal(err) && held.Value != nil:
		t.Errorf("%s: %v and a secret", user, err)
	case err == nil && (!match || held.Account.User != user):
		t.Errorf("%s: the secret of %+v is of another password", user, held.Account)
	}
}

func (m *move) happened(want ...string) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.events, want) {
		m.t.Errorf("events %q, want %q", m.events, want)
	}
	m.events = nil
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, o verifier.TransitionOptions, test func(*testing.T, *move)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newMove(t, o)
		test(t, m)
		shut(t, m.Transitioning)
	})
}

// shut closes, and waits for idle goroutines to end: they are a deadlock to synctest.
func shut(t testing.TB, m *verifier.Transitioning) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	time.Sleep(time.Minute)
}

func TestTransitionCopies(t *testing.T) {
	t.Parallel()
	bubble(t, verifier.TransitionOptions{}, func(t *testing.T, m *move) {
		m.serves("alice", alicesPassword, verifier.ErrNoUser)
		m.login("alice", bobsPassword, verifier.ErrWrongPassword)
		m.login("nobody", bobsPassword, verifier.ErrNoUser)
		m.login("carol", "the chalk of carol", verifier.ErrDisabled)
		m.happened()
		m.login("alice", alicesPassword, nil)
		m.happened("store alice <nil>")
		m.serves("alice", alicesPassword, nil)
		m.serves("bob", bobsPassword, verifier.ErrNoUser)
		for range 5 {
			m.login("alice", alicesPassword, nil)
		}
		m.login("alice", bobsPassword, verifier.ErrWrongPassword)
		m.happened()
		if n := m.to.Updates.Load(); n != 1 {
			t.Errorf("%d updates of the store for one copy", n)
		}
		if _, err := m.LookupSecret(t.Context(), request("alice", ""), verifier.KindOrigin); !errors.Is(err, verifier.ErrNoSecret) {
			t.Errorf("a mechanism gets the origin: %v", err)
		}
	})
}

// A new password replaces the copy, and a process that was started again makes no
// copies which are there already.
func TestTransitionReplacesAndKeeps(t *testing.T) {
	t.Parallel()
	bubble(t, verifier.TransitionOptions{Kinds: []verifier.Kind{verifier.KindSCRAMSHA256}}, func(t *testing.T, m *move) {
		m.login("alice", alicesPassword, nil)
		again, err := verifier.Transition(passwordOnly{m.from}, m.to, verifier.TransitionOptions{Kinds: []verifier.Kind{verifier.KindSCRAMSHA256}})
		if err != nil {
			t.Fatal(err)
		}
		verify(t, again, request("alice", ""), alicesPassword, nil)
		shut(t, again)
		if n := m.to.Updates.Load(); n != 1 {
			t.Errorf("%d updates, want 1: the copy was good", n)
		}
		m.from.Add(verifiertest.User{Name: "alice", Password: "another"})
		m.login("alice", "another", nil)
		m.serves("alice", "another", nil)
		m.from.Add(verifiertest.User{Name: "alice", Password: alicesPassword})
		m.login("alice", alicesPassword, nil) // which was known before
		m.serves("alice", alicesPassword, nil)
	})
}

// literal is a verifier of what is typed, as saslauthd is.
type literal map[string]string

func (l literal) VerifyPassword(_ context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if right, ok := l[r.User]; !ok || password != right {
		return verifier.Account{}, verifier.ErrWrongPassword
	}
	return verifier.Account{User: r.User, Realm: r.Realm}, nil
}

func TestTransitionKinds(t *testing.T) {
	t.Parallel()
	const typed = "p\u00aassword" // SASLprep makes it an a
	all := append([]verifier.Kind{verifier.KindPassword, verifier.KindCRAMMD5, verifier.KindDIGESTMD5}, verifier.SCRAMKinds()...)
	for _, kinds := range [][]verifier.Kind{all, {verifier.KindDIGESTMD5}, nil} {
		m, err := verifier.Transition(literal{"andr\u00e9": typed}, new(verifiertest.Memory), verifier.TransitionOptions{Kinds: kinds, Iterations: 4096})
		if err != nil {
			t.Fatal(err)
		}
		verify(t, m, request("andr\u00e9", ""), typed, nil)
		m.Close()
		if kinds == nil {
			kinds = []verifier.Kind{verifier.KindSCRAMSHA1, verifier.KindSCRAMSHA256}
		}
		for _, k := range all {
			want := verifier.ErrNoSecret
			if slices.Contains(kinds, k) {
				want = nil
			}
			serves(t, m, "andr\u00e9", "password", want, k)
		}
	}
}

func TestTransitionOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]verifier.TransitionOptions{
		"a kind that is no secret":   {Kinds: []verifier.Kind{verifier.KindCheck}},
		"a kind of another's making": {Kinds: []verifier.Kind{verifier.KindSCRAMSHA1, verifier.KindOTP}},
		"its own":                    {Kinds: []verifier.Kind{verifier.KindOrigin}},
		"few iterations":             {Iterations: 4095},
		"many iterations":            {Iterations: 1_000_001},
		"a life before birth":        {Life: -1},
	} {
		if v, err := verifier.Transition(verifier.Static{}, new(verifiertest.Memory), o); !errors.Is(err, verifier.ErrTransition) || v != nil {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

// A disabled or expired account loses its copy with the first login that tells.
func TestTransitionOfLocked(t *testing.T) {
	t.Parallel()
	bubble(t, verifier.TransitionOptions{}, func(t *testing.T, m *move) {
		m.login("alice", alicesPassword, nil)
		m.login("bob", bobsPassword, nil)
		m.from.Add(verifiertest.User{Name: "alice", Password: alicesPassword, Disabled: true})
		m.from.Add(verifiertest.User{Name: "bob", Password: bobsPassword, Expired: true})
		m.login("alice", bobsPassword, verifier.ErrWrongPassword)
		m.serves("alice", alicesPassword, nil) // nobody knows yet
		m.happened("store alice <nil>", "store bob <nil>")
		for range 3 {
			m.login("alice", alicesPassword, verifier.ErrDisabled)
			m.login("bob", bobsPassword, verifier.ErrExpired)
		}
		m.happened("remove alice <nil>", "remove bob <nil>")
		m.serves("alice", alicesPassword, verifier.ErrNoUser)
		m.serves("bob", bobsPassword, verifier.ErrNoUser)
	})
}

// Users of the store's own stay what they are.
func TestTransitionLeavesOwnUsers(t *testing.T) {
	t.Parallel()
	bubble(t, verifier.TransitionOptions{}, func(t *testing.T, m *move) {
		m.to.Add(verifiertest.User{Name: "alice", Password: "own"})
		m.to.Add(verifiertest.User{Name: "carol", Password: "own"})
		m.to.Add(verifiertest.User{Name: "zoe", Password: "own"})
		m.login("alice", alicesPassword, nil)
		m.login("carol", "the chalk of carol", verifier.ErrDisabled)
		if err := m.Forget(t.Context(), request("alice", "")); err != nil {
			t.Error(err)
		}
		m.serves("alice", "own", nil)
		m.serves("carol", "own", nil)
		m.happened()
		m.login("zoe", "own", verifier.ErrNoUser) // from is the truth

		both := verifier.Chain(m, m.Own())
		m.login("bob", bobsPassword, nil)
		m.from.Remove("bob", "")
		m.to.Add(verifiertest.User{Name: "bill"}) // without a secret
		for _, c := range []struct {
			user, password string
			want           error
		}{
			{"zoe", "own", nil},
			{"alice", "own", nil},
			{"alice", alicesPassword, nil},
			{"carol", "the chalk of carol", verifier.ErrDisabled},
			{"bob", bobsPassword, verifier.ErrNoUser}, // the copy is not asked
			{"bill", "own", verifier.ErrNoSecret},
		} {
			verify(t, both, request(c.user, ""), c.password, c.want)
		}
		synctest.Wait()
		serves(t, m.Own(), "zoe", "own", nil)
		serves(t, m.Own(), "bob", bobsPassword, verifier.ErrNoUser)
	})
}

// What was disabled in the store is not enabled by a login.
func TestTransitionOfDisabledCopy(t *testing.T) {
	t.Parallel()
	bubble(t, verifier.TransitionOptions{Life: time.Hour}, func(t *testing.T, m *move) {
		m.login("alice", alicesPassword, nil)
		disable := func(e verifier.Entry) (verifier.Entry, error) { e.Disabled = true; return e, nil }
		if err := m.Update(t.Context(), request("alice", ""), disable); err != nil {
			t.Fatal(err)
		}
		m.serves("alice", alicesPassword, verifier.ErrDisabled)
		time.Sleep(time.Hour)
		m.login("alice", alicesPassword, nil)
		m.serves("alice", alicesPassword, verifier.ErrUnavailable)
		m.from.Add(verifiertest.User{Name: "alice", Password: alicesPassword, Disabled: true})
		m.login("alice", alicesPassword, verifier.ErrDisabled)
		m.from.Add(verifiertest.User{Name: "alice", Password: alicesPassword})
		m.login("alice", alicesPassword, nil)
		if e := entryOf(t, m, "alice"); !e.Disabled {
			t.Errorf("entry %+v", e)
		}
	})
}

func entryOf(t testing.TB, s verifier.SecretStore, user string) (e verifier.Entry) {
	t.Helper()
	looked := errors.New("looked")
	if err := s.Update(t.Context(), request(user, ""), func(now verifier.Entry) (verifier.Entry, error) {
		e = now
		return e, looked
	}); err != looked {
		t.Error(err)
	}
	return e
}

// An alias is not copied: the account has another name.
type alias struct{ verifier.Verifier }

func (a alias) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	r.User = strings.ToLower(r.User)
	return a.Verifier.VerifyPassword(ctx, r, password)
}

func TestTransitionOfAliases(t *testing.T) {
	t.Parallel()
	to := new(verifiertest.Memory)
	m, err := verifier.Transition(alias{verifiertest.NewMemory(testUsers("")...)}, to, verifier.TransitionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Alice", "ALICE", "aLICE"} {
		if a, err := m.VerifyPassword(t.Context(), request(name, ""), alicesPassword); err != nil || a.User != "alice" {
			t.Errorf("%q: %+v, %v", name, a, err)
		}
	}
	m.Close()
	if n := to.Coverage().Users; n != 0 {
		t.Errorf("%d copies", n)
	}
}

// An origin that makes no sense serves nobody, and is replaced by the next login.
func TestTransitionOfStrangeOrigins(t *testing.T) {
	t.Parallel()
	bubble(t, verifier.TransitionOptions{}, func(t *testing.T, m *move) {
		for name, text := range map[string]string{
			"of a later version": "v2\tx\ty",
			"of the future":      "v1\tx\t2400-01-01T00:00:00.000000000Z\t-\t-",
			"of the past":        "v1\tx\t1999-01-01T00:00:00.000000000Z\t2400-01-01T00:00:00.000000000Z\t-",
			"no text":            "\x00",
		} {
			m.to.Add(verifiertest.User{Name: "alice", Password: alicesPassword}, verifier.Secret{Kind: verifier.KindOrigin, Value: []byte(text)})
			m.serves("alice", alicesPassword, verifier.ErrUnavailable)
			m.login("alice", alicesPassword, nil)
			m.serves("alice", alicesPassword, nil)
			if t.Failed() {
				t.Error("that was with an origin", name)
				return
			}
		}
	})
}

// Trouble of the store is told, and fails no login.
func TestTransitionToTroubledStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &troubled{Memory: new(verifiertest.Memory)}
		var last atomic.Pointer[verifier.TransitionEvent]
		m, err := verifier.Transition(verifiertest.NewMemory(testUsers("")...), to, verifier.TransitionOptions{
			Kinds:    []verifier.Kind{verifier.KindPassword},
			Observer: func(e verifier.TransitionEvent) { last.Store(&e) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, how := range []string{"refuses", "panics", "stalls"} {
			to.how = how
			last.Store(nil)
			verify(t, m, request("alice", ""), alicesPassword, nil)
			time.Sleep(time.Minute)
			if e := last.Load(); e == nil || e.Err == nil || e.Change != verifier.CopyStored || strings.Contains(fmt.Sprint(e.Err), alicesPassword) {
				t.Errorf("%s: event %+v", how, e)
			}
		}
		to.how = ""
		verify(t, m, request("alice", ""), alicesPassword, nil)
		shut(t, m)
		serves(t, m, "alice", alicesPassword, nil)
	})
}

type troubled struct {
	*verifiertest.Memory
	how string
}

func (s *troubled) Update(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	switch s.how {
	case "refuses":
		return fmt.Errorf("disk full: %w", verifier.ErrUnavailable)
	case "panics":
		panic(alicesPassword)
	case "stalls":
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Memory.Update(ctx, r, change)
}
