package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// A whole is a transition that lets the store's own users in too, as one store.
type whole struct {
	*verifier.Transitioning
	both verifier.SecretSource
}

func wholeOf(m *verifier.Transitioning) whole { return whole{m, verifier.Chain(m, m.Own())} }

func (w whole) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	return w.both.VerifyPassword(ctx, r, password)
}

func (w whole) Coverage() verifier.Coverage {
	c := w.both.Coverage()
	c.All = 0
	return c
}

func TestTransitionKeepsTheContract(t *testing.T) {
	t.Parallel()
	users := testUsers("example.com")
	for name, c := range map[string]struct {
		from verifier.Verifier
		to   verifier.SecretStore
		wrap func(*verifier.Transitioning) verifier.Verifier
	}{
		"alone":       {from: verifiertest.NewMemory(users...), wrap: func(m *verifier.Transitioning) verifier.Verifier { return verifier.Chain(m) }},
		"whole":       {from: passwordOnly{verifiertest.NewMemory(users...)}},
		"chain below": {from: verifier.Chain(verifier.Static{}, verifiertest.NewMemory(users...))},
		"cache below": {from: verifier.Cache(verifiertest.NewMemory(users...), verifier.CacheOptions{})},
		"cache above": {from: verifiertest.NewMemory(users...), wrap: func(m *verifier.Transitioning) verifier.Verifier {
			return verifier.Cache(wholeOf(m), verifier.CacheOptions{Life: time.Hour})
		}},
		"realms below": {
			from: verifier.MapRealm(verifiertest.NewMemory(testUsers("old")...), map[string]string{"example.com": "old"}),
			to:   verifier.MapRealm(new(verifiertest.Memory), map[string]string{"example.com": "new"}),
		},
		"realms above": {from: verifiertest.NewMemory(testUsers("old")...), wrap: func(m *verifier.Transitioning) verifier.Verifier {
			return verifier.MapRealm(wholeOf(m), map[string]string{"example.com": "old"})
		}},
	} {
		if c.to == nil {
			c.to = new(verifiertest.Memory)
		}
		m, err := verifier.Transition(c.from, c.to, verifier.TransitionOptions{Kinds: []verifier.Kind{verifier.KindCRAMMD5}})
		if err != nil {
			t.Fatal(err)
		}
		var v verifier.Verifier = wholeOf(m)
		if c.wrap != nil {
			v = c.wrap(m)
		}
		for _, u := range users[:2] {
			verify(t, v, request(u.Name, u.Realm), u.Password, nil)
		}
		m.Close() // what users have does not change while it is looked at
		if source, _ := verifier.SourceOf(v); !source.Coverage().Some.Has(verifier.KindCRAMMD5) {
			t.Errorf("%s: nobody was copied", name)
		}
		if err := verifiertest.TestVerifier(v, users...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTransitionName(t *testing.T) {
	t.Parallel()
	m, err := verifier.Transition(verifier.Static{"alice": alicesPassword}, new(verifiertest.Memory), verifier.TransitionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := verifier.Name(m); got != "transition from verifier.Static to *verifiertest.Memory" {
		t.Errorf("name %q", got)
	}
	if got := verifier.Name(m.Own()); got != "own users of *verifiertest.Memory" {
		t.Errorf("name %q", got)
	}
	if got := fmt.Sprintf("%v %+v %#v %v", m, m, m, m.Own()); strings.Trim(got, "REDACT ") != "" {
		t.Errorf("prints as %q", got)
	}
}

// TestTransitionRevokedMeanwhile: a password that was accepted before a revocation is
// not copied once that has returned, wherever the copying was in between.
func TestTransitionRevokedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(*move) error{
		"forget": func(m *move) error { return m.Forget(m.t.Context(), request("alice", "")) },
		"delete": func(m *move) error {
			return m.Update(m.t.Context(), request("alice", ""), func(verifier.Entry) (verifier.Entry, error) { return verifier.Entry{}, nil })
		},
		"disabled": func(m *move) error {
			m.from.Add(verifiertest.User{Name: "alice", Password: alicesPassword, Disabled: true})
			m.Transitioning.VerifyPassword(m.t.Context(), request("alice", ""), alicesPassword)
			return nil
		},
	} {
		for _, hold := range []string{"before the answer", "before the look-up", "before the update", "after"} {
			synctest.Test(t, func(t *testing.T) {
				m := &move{t: t, from: verifiertest.NewMemory(testUsers("")...), to: new(verifiertest.Memory)}
				gate := make(chan struct{})
				var first atomic.Bool
				wait := func(at string) {
					if hold == at && first.CompareAndSwap(false, true) {
						<-gate
					}
				}
				from := changing{m.from, func() { wait("before the answer") }}
				var err error
				m.Transitioning, err = verifier.Transition(from, &gated{m.to, wait}, verifier.TransitionOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				go m.Transitioning.VerifyPassword(t.Context(), request("alice", ""), alicesPassword)
				synctest.Wait()
				if err := revoke(m); err != nil {
					t.Error(err)
				}
				close(gate)
				synctest.Wait()
				if m.serves("alice", alicesPassword, verifier.ErrNoUser); t.Failed() {
					t.Errorf("%s, held %s", name, hold)
				}
				shut(t, m.Transitioning)
			})
		}
	}
}

// gated is a store that waits.
type gated struct {
	*verifiertest.Memory
	wait func(at string)
}

func (g *gated) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	g.wait("before the look-up")
	return g.Memory.LookupSecret(ctx, r, kinds...)
}

func (g *gated) Update(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	g.wait("before the update")
	return g.Memory.Update(ctx, r, change)
}

// An earlier answer does not replace the copy of a later one, of another server.
func TestTransitionOfTwoServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from, to := verifiertest.NewMemory(testUsers("")...), new(verifiertest.Memory)
		gate := make(chan struct{})
		slow, err := verifier.Transition(changing{from, func() { <-gate }}, to, verifier.TransitionOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		quick, _ := verifier.Transition(from, to, verifier.TransitionOptions{})
		go slow.VerifyPassword(t.Context(), request("alice", ""), alicesPassword)
		time.Sleep(time.Second)
		from.Add(verifiertest.User{Name: "alice", Password: "another"})
		verify(t, quick, request("alice", ""), "another", nil)
		shut(t, quick)
		close(gate)
		synctest.Wait()
		shut(t, slow)
		serves(t, quick, "alice", "another", nil)
	})
}

// named is a verifier by another name.
type named struct {
	verifier.Verifier
	name string
}

func (n named) String() string { return n.name }

// Two servers that call the verifier by other names leave each other's copies alone.
func TestTransitionOfTwoNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from, to := verifiertest.NewMemory(testUsers("")...), new(verifiertest.Memory)
		for n := range 6 {
			m, err := verifier.Transition(named{from, fmt.Sprint("server ", n%2)}, to, verifier.TransitionOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			verify(t, m, request("alice", ""), alicesPassword, nil)
			shut(t, m)
		}
		if n := to.Updates.Load(); n != 1 {
			t.Errorf("%d updates for one copy", n)
		}
	})
}

// What is to be copied is bounded, and of the logins of one user it is one.
func TestTransitionIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 4096
		to := &troubled{Memory: new(verifiertest.Memory), how: "stalls"}
		users := literal{}
		for n := range limit + 10 {
			users[fmt.Sprint(n)] = "password"
		}
		var full, late atomic.Int64
		m, err := verifier.Transition(users, to, verifier.TransitionOptions{
			Kinds: []verifier.Kind{verifier.KindPassword},
			Observer: func(e verifier.TransitionEvent) {
				if strings.Contains(e.Err.Error(), "more than 4096") {
					full.Add(1)
				} else {
					late.Add(1)
				}
			},
		})
		if err != nil {
			t.Error(err)
			return
		}
		for n := range limit + 10 {
			for range 2 {
				verify(t, m, request(fmt.Sprint(n), ""), "password", nil)
			}
		}
		if n := full.Load(); n != 20 {
			t.Errorf("%d copies were too many, want 20", n)
		}
		began := time.Now()
		shut(t, m)
		if n := late.Load(); n != limit {
			t.Errorf("%d copies came to nothing, want %d", n, limit)
		}
		if took := time.Since(began); took > 70*time.Second {
			t.Errorf("closing took %v", took)
		}
		verify(t, m, request("1", ""), "password", nil) // and is not copied
		synctest.Wait()
		if n := late.Load(); n != limit {
			t.Errorf("a copy was tried after Close")
		}
	})
}

// TestTransitionHistories: random logins, changes and revocations of four users at a
// time. No look-up that starts after a revocation returned serves what was revoked, and
// in the end the right password is served.
func TestTransitionHistories(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for round := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			m := newMove(t, verifier.TransitionOptions{})
			var all sync.WaitGroup
			var users [4]history
			for n := range users {
				h := &users[n]
				*h = history{move: m, random: rand.New(rand.NewPCG(seed+round, uint64(n))), user: fmt.Sprint("user", n)}
				all.Go(func() {
					for range 40 {
						h.step()
					}
				})
			}
			all.Wait()
			synctest.Wait()
			for _, h := range users {
				m.login(h.user, h.password, nil)
				m.serves(h.user, h.password, nil)
			}
			shut(t, m.Transitioning)
			if t.Failed() {
				t.Errorf("seed %d, round %d", seed, round)
			}
		})
	}
}

// A history is what happens to one user.
type history struct {
	*move
	random         *rand.Rand
	user, password string
	revoked        []string
}

func (h *history) step() {
	r := request(h.user, "")
	if h.password != "" && h.random.IntN(4) > 0 {
		go h.Transitioning.VerifyPassword(h.t.Context(), r, h.password)
		h.holds(r)
		return
	}
	h.revoked = append(h.revoked, h.password)
	h.password = fmt.Sprint(h.random.Uint64())
	h.from.Add(verifiertest.User{Name: h.user, Password: h.password})
	if err := h.Forget(h.t.Context(), r); err != nil {
		h.t.Error(err)
	}
	h.holds(r)
}

func (h *history) holds(r verifier.Request) {
	held, err := h.LookupSecret(h.t.Context(), r, verifier.KindCRAMMD5)
	if err != nil {
		return
	}
	for _, old := range h.revoked {
		if match, _ := held.Matches(h.t.Context(), r, old); match {
			h.t.Errorf("%s is served with a revoked password", h.user)
		}
	}
}

// TestTransitionLookupSeesOneUser: a user who is replaced while he is looked up is not
// judged by one origin and served with the secret of another, nor taken for an own one.
func TestTransitionLookupSeesOneUser(t *testing.T) {
	t.Parallel()
	void := verifier.Secret{Kind: verifier.KindOrigin, Value: []byte("v1\tx\t2020-01-01T00:00:00.000000000Z\t2020-01-02T00:00:00.000000000Z\t-")}
	good := verifier.Secret{Kind: verifier.KindOrigin, Value: verifier.Origin{Source: "x", Made: time.Now()}.Append(nil)}
	alice := verifiertest.User{Name: "alice", Password: alicesPassword}
	voidCopy := func(m *verifiertest.Memory) { m.Add(alice, void) }
	for name, first := range map[string]func(*verifiertest.Memory){
		"nobody": func(*verifiertest.Memory) {},
		"good":   func(m *verifiertest.Memory) { m.Add(alice, good) },
		"own":    func(m *verifiertest.Memory) { m.Add(verifiertest.User{Name: "alice", Password: "own"}) },
	} {
		for after := range 3 {
			asked := 0
			to := &gated{Memory: new(verifiertest.Memory)}
			first(to.Memory)
			to.wait = func(string) {
				if asked++; asked == after+1 {
					voidCopy(to.Memory)
				}
			}
			m, err := verifier.Transition(verifier.Static{}, to, verifier.TransitionOptions{})
			if err != nil {
				t.Fatal(err)
			}
			held, err := m.LookupSecret(t.Context(), request("alice", ""), verifier.KindPassword)
			if match, _ := held.Matches(t.Context(), request("alice", ""), alicesPassword); err == nil && match {
				t.Errorf("%s, replaced at call %d: served with what is void", name, after)
			}
			if err != nil && !errors.Is(err, verifier.ErrUnavailable) && name != "nobody" {
				t.Errorf("%s, replaced at call %d: %v", name, after, err)
			}
			to.Memory.Remove("alice", "")
			first(to.Memory)
			asked = 0
			if a, err := m.Own().VerifyPassword(t.Context(), request("alice", ""), alicesPassword); err == nil {
				t.Errorf("%s, replaced at call %d: a copy logs in as %+v", name, after, a)
			}
			m.Close()
		}
	}
	// Who changes all the time is temporary trouble.
	to := &gated{Memory: new(verifiertest.Memory)}
	n := 0
	to.wait = func(string) {
		n++
		to.Memory.Add(alice, verifier.Secret{Kind: verifier.KindOrigin, Value: verifier.Origin{Source: fmt.Sprint(n), Made: time.Now()}.Append(nil)})
	}
	m, err := verifier.Transition(verifier.Static{}, to, verifier.TransitionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.LookupSecret(t.Context(), request("alice", ""), verifier.KindPassword); !errors.Is(err, verifier.ErrUnavailable) || n != 9 {
		t.Errorf("%v after %d look-ups", err, n)
	}
}
