//go:build linux

package interop

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// The long run is
//
//	go test ./interop -run Revocation -revocations 60s
//
// and -revocation.seed makes the same changes again.
var (
	revocations    = flag.Duration("revocations", 700*time.Millisecond, "for how long TestRevocation changes passwords")
	revocationSeed = flag.Uint64("revocation.seed", 0, "of TestRevocation's changes; 0 for any")
)

const revokedRealm = "mail.example"

// revokedMechanisms has PLAIN, what a copy serves, and the same at the cost of a key
// derivation for each login.
var revokedMechanisms = []string{"PLAIN", "CRAM-MD5", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256"}

// A revokingStore is a store, and others who change what it holds.
type revokingStore struct {
	open   func() verifier.Verifier // as another process has it
	change func(ctx context.Context, user, password string, disabled bool) error
	outage func() // one that is over when it returns
	// calm: while there is an outage nothing is changed, for what would be is done
	// nobody knows when.
	calm bool
}

// A change of one user; "" is no password that works.
type revokingChange struct {
	password   string
	start, end time.Duration
	unsure     bool // it may have happened or not
	through    bool // it was made through the stack, which so knows of it
}

type revokingLogin struct {
	mechanism, password string
	start, end          time.Duration
	refused             bool
}

// A revokedUser is somebody and what is known of him.
type revokedUser struct {
	name    string
	stack   *revokingStack
	mu      sync.Mutex
	changes []revokingChange
	logins  []revokingLogin
}

// A revokingStack is a verifier made of the store.
type revokingStack struct {
	name  string
	auth  *saslkit.Authenticator
	store verifier.SecretStore     // to be changed through; nil: only behind its back
	bound map[string]time.Duration // by mechanism
	users []*revokedUser
	// copied: only after a login by a mechanism has succeeded further ones by it are not
	// refused; before, nobody knows whether there is a copy
	copied bool
}

// revocation changes users at random while they log in by every stack of verifiers, and
// the store has outages. No login succeeds with a secret that was revoked longer ago than
// the stack's bound, and none is refused with the one that counts.
func revocation(t *testing.T, s revokingStore) {
	t.Helper()
	seed := *revocationSeed
	if seed == 0 {
		seed = rand.Uint64() >> 32
	}
	t.Logf("-revocation.seed %d", seed)
	h := &revoking{T: t, store: s, began: time.Now(), seed: seed, counts: map[string]int{}}
	h.measure()
	for _, stack := range []*revokingStack{
		{name: "alone", store: s.stored()},
		{name: "chain"}, {name: "cache"}, {name: "transition"}, {name: "all"},
	} {
		h.add(stack)
	}
	h.run()
	h.judge()
}

// measure changes somebody a few times, and has him log in. The bounds are such that there
// are some logins within them, however slow the machine is.
func (h *revoking) measure() {
	h.Helper()
	change := func(password string) {
		h.Helper()
		if err := h.store.change(h.Context(), "anchor", password, false); err != nil {
			h.Fatal(err)
		}
	}
	change("so that there is somebody to log in")
	auth := &saslkit.Authenticator{Verifier: h.store.open(), Policy: labPolicy, Mechanisms: revokedMechanisms}
	quickest := patience
	for i := range 3 {
		began := time.Now()
		password := fmt.Sprint("password ", i)
		change(password)
		for _, mechanism := range revokedMechanisms {
			if _, err := revokedLogin(auth, mechanism, "anchor", password); err != nil {
				h.Fatal(err)
			}
		}
		quickest = min(quickest, time.Since(began))
	}
	h.cacheBound = max(60*time.Millisecond, quickest)
	h.transferBound = 4 * h.cacheBound
	h.Logf("a cache may overlook a change for %v, a copy for %v", h.cacheBound, h.transferBound)
}

// revokedLogin logs a user in.
func revokedLogin(auth *saslkit.Authenticator, mechanism, user, password string) (saslkit.Result, error) {
	return saslkittest.Client{
		Mechanism: mechanism, Channel: saslkit.Channel{Secure: true},
		Credentials: saslkit.Credentials{Username: user + "@" + revokedRealm, Password: password}, Realm: realm.Policy{Default: revokedRealm},
	}.Login(auth)
}

func (s revokingStore) stored() verifier.SecretStore {
	store, _ := verifier.StoreOf(s.open())
	return store
}

type revoking struct {
	*testing.T
	store         revokingStore
	cacheBound    time.Duration // how long a cache may overlook a change
	transferBound time.Duration // how long a copy of a transition may
	began         time.Time
	seed          uint64
	stacks        []*revokingStack
	calm          sync.RWMutex // an outage writes

	mu     sync.Mutex
	counts map[string]int // what came of logins and changes
}

func (h *revoking) now() time.Duration { return time.Since(h.began) }

func (h *revoking) count(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[what]++
}

// add makes the verifiers of a stack, and its users.
func (h *revoking) add(s *revokingStack) {
	h.Helper()
	v := h.store.open()
	other := verifiertest.NewMemory(verifiertest.User{Name: "somebody else", Realm: revokedRealm, Password: "other"})
	s.bound = map[string]time.Duration{}
	if s.name == "transition" || s.name == "all" {
		v, s.copied = h.transition(v), true
		s.bound["CRAM-MD5"], s.bound["SCRAM-SHA-256"] = h.transferBound, h.transferBound
	}
	if s.name == "chain" || s.name == "all" {
		v = verifier.Chain(other, v)
	}
	if s.name == "cache" || s.name == "all" {
		v = verifier.Cache(v, verifier.CacheOptions{Life: h.cacheBound})
		s.bound["PLAIN"] = h.cacheBound
	}
	s.auth = &saslkit.Authenticator{Verifier: v, Policy: labPolicy, Mechanisms: revokedMechanisms}
	if s.name == "cache" {
		s.store, _ = verifier.StoreOf(v)
	}
	for i := range 2 {
		s.users = append(s.users, &revokedUser{name: fmt.Sprintf("%s-%d", s.name, i), stack: s})
	}
	h.stacks = append(h.stacks, s)
}

// transition moves users to a sasldb of its own.
func (h *revoking) transition(from verifier.Verifier) verifier.Verifier {
	h.Helper()
	path := filepath.Join(h.TempDir(), "sasldb2")
	if err := sasldb.Create(path, nil); err != nil {
		h.Fatal(err)
	}
	to, err := sasldb.Open(path)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { to.Close() })
	if err := changeStored(h.Context(), to, "anchor", "so that there is somebody", false); err != nil {
		h.Fatal(err)
	}
	moving, err := verifier.Transition(from, to, verifier.TransitionOptions{
		Kinds: []verifier.Kind{verifier.KindCRAMMD5, verifier.KindSCRAMSHA256}, Iterations: mech.MinIterations, Life: h.transferBound,
	})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { moving.Close() })
	return moving
}

// run lets everybody act until there was time enough, and something to see.
func (h *revoking) run() {
	ctx, cancel := context.WithCancel(h.Context())
	defer cancel()
	var all sync.WaitGroup
	for i, s := range h.stacks {
		for j, u := range s.users {
			random := rand.New(rand.NewPCG(h.seed, uint64(10*i+j)))
			all.Go(func() { h.changeAll(ctx, u, random) })
			for n := range 2 {
				random := rand.New(rand.NewPCG(h.seed, uint64(100+10*i+2*j+n)))
				all.Go(func() { h.logInAll(ctx, u, random) })
			}
		}
	}
	// On a slow machine with outages to the end nobody might ever get in.
	unrest, over := context.WithCancel(ctx)
	defer over()
	all.Go(func() {
		for unrest.Err() == nil {
			h.outage()
			pause(unrest, *revocations/5)
		}
	})
	pause(ctx, *revocations)
	over()
	for end := time.Now().Add(patience); h.lacks() != "" && time.Now().Before(end); {
		pause(ctx, *revocations/10)
	}
	cancel()
	all.Wait()
	if what := h.lacks(); what != "" {
		h.Errorf("there was no %s: %v", what, h.counts)
	}
}

// lacks names an outcome that there was not enough of.
func (h *revoking) lacks() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.stacks {
		for _, what := range []string{"PLAIN ok", "PLAIN refused", "CRAM-MD5 ok", "CRAM-MD5 refused", "change"} {
			if key := s.name + " " + what; h.counts[key] < 3 {
				return key
			}
		}
	}
	return ""
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (h *revoking) outage() {
	if h.store.calm {
		h.calm.Lock()
		defer h.calm.Unlock()
	}
	h.store.outage()
}

// changeAll changes a user over and over: a new password each time, or none.
func (h *revoking) changeAll(ctx context.Context, u *revokedUser, random *rand.Rand) {
	for i := 0; ctx.Err() == nil; i++ {
		password, disabled := fmt.Sprintf("%s password %d", u.name, i), false
		switch random.IntN(4) {
		case 0:
			password = ""
		case 1:
			disabled = i > 0
		}
		h.changeOne(ctx, u, password, disabled, random.IntN(2) == 0)
		pause(ctx, time.Duration(random.Int64N(int64(h.transferBound))))
	}
}

func (h *revoking) changeOne(ctx context.Context, u *revokedUser, password string, disabled, through bool) {
	h.calm.RLock()
	defer h.calm.RUnlock()
	c := revokingChange{password: password, start: h.now(), end: forever}
	if disabled {
		c.password = ""
	}
	u.mu.Lock()
	u.changes = append(u.changes, c)
	i := len(u.changes) - 1
	u.mu.Unlock()
	err := errors.ErrUnsupported
	if through && u.stack.store != nil {
		err = changeStored(ctx, u.stack.store, u.name, password, disabled)
	}
	if through = !errors.Is(err, errors.ErrUnsupported); !through { // such as new entries of a directory
		err = h.store.change(ctx, u.name, password, disabled)
	}
	u.mu.Lock()
	u.changes[i].end, u.changes[i].unsure, u.changes[i].through = h.now(), err != nil, through
	u.mu.Unlock()
	if err != nil {
		h.count(u.stack.name + " change failed")
		if !errors.Is(err, verifier.ErrUnavailable) && ctx.Err() == nil {
			h.Errorf("%s: %v", u.name, err)
		}
		return
	}
	h.count(u.stack.name + " change")
}

const forever = 1 << 62

// changeStored makes a password, or none, all that a user has.
func changeStored(ctx context.Context, s verifier.SecretStore, user, password string, disabled bool) error {
	return s.Update(ctx, verifier.Request{User: user, Realm: revokedRealm}, func(e verifier.Entry) (verifier.Entry, error) {
		switch {
		case disabled:
			e.Disabled = e.Exists
		case password == "":
			e = verifier.Entry{}
		default:
			e = verifier.Entry{Exists: true, Secrets: []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte(password)}}}
		}
		return e, nil
	})
}

// logInAll logs a user in over and over, with one of the last passwords.
func (h *revoking) logInAll(ctx context.Context, u *revokedUser, random *rand.Rand) {
	for ctx.Err() == nil {
		password := u.lately(random.IntN(3))
		if password == "" {
			pause(ctx, time.Millisecond)
			continue
		}
		mechanism := revokedMechanisms[random.IntN(len(revokedMechanisms))]
		l := revokingLogin{mechanism: mechanism, password: password, start: h.now()}
		_, err := revokedLogin(u.stack.auth, mechanism, u.name, password)
		l.end = h.now()
		outcome := "ok"
		if err != nil {
			switch class := mech.AsError(err).Class; class {
			case mech.Unavailable, mech.MechanismUnavailable: // or nobody can use it now
				outcome = "unavailable"
			case mech.BadCredentials, mech.Disabled:
				outcome, l.refused = "refused", true
			default:
				h.Errorf("%s by %s: %v", u.name, mechanism, err)
				return
			}
		}
		h.count(u.stack.name + " " + mechanism + " " + outcome)
		if outcome != "unavailable" {
			u.mu.Lock()
			u.logins = append(u.logins, l)
			u.mu.Unlock()
		}
		pause(ctx, time.Duration(random.Int64N(int64(h.cacheBound/4))))
	}
}

// lately is the password that a user had n changes ago.
func (u *revokedUser) lately(n int) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range slices.Backward(u.changes) {
		if c.password == "" {
			continue
		}
		if n == 0 {
			return c.password
		}
		n--
	}
	return ""
}

// judge looks for logins that must not have gone as they did.
func (h *revoking) judge() {
	h.Helper()
	for _, s := range h.stacks {
		faults := 0
		for _, u := range s.users {
			slices.SortFunc(u.logins, func(a, b revokingLogin) int { return cmp.Compare(a.start, b.start) })
			for i, l := range u.logins {
				if why := u.fault(l, u.logins[:i]); why != "" {
					faults++
					if faults > 3 {
						continue
					}
					h.Errorf("%s: %s by %s with %q from %v to %v: %s", s.name, u.name, l.mechanism, l.password, l.start, l.end, why)
					h.Logf("changes: %+v", u.around(l))
				}
			}
		}
	}
	h.Log(h.counts)
}

// around are the changes that a login has to do with.
func (u *revokedUser) around(l revokingLogin) []revokingChange {
	i := slices.IndexFunc(u.changes, func(c revokingChange) bool { return c.password == l.password })
	return u.changes[max(0, i-1):min(len(u.changes), i+4)]
}

// fault says why a login must not have gone as it did; "" if it may.
func (u *revokedUser) fault(l revokingLogin, earlier []revokingLogin) string {
	if l.refused {
		since, counted := u.counted(l)
		if counted && (!u.stack.copied || l.mechanism == "PLAIN" || wasIn(earlier, l, since)) {
			return "refused, although the password counted"
		}
		return ""
	}
	set := slices.IndexFunc(u.changes, func(c revokingChange) bool { return c.password == l.password })
	if set < 0 || u.changes[set].start > l.end {
		return "let in before there was such a password"
	}
	for _, c := range u.changes[set+1:] {
		bound := u.stack.bound[l.mechanism]
		if c.through {
			bound = 0
		}
		if !c.unsure && c.end+bound < l.start {
			return fmt.Sprintf("let in %v after the password was revoked", l.start-c.end)
		}
	}
	return ""
}

// counted reports whether a login's password was the one that counts from before it began
// until after it had ended, and since when.
func (u *revokedUser) counted(l revokingLogin) (since time.Duration, ok bool) {
	for _, c := range u.changes {
		switch {
		case c.start > l.end:
			return since, ok
		case c.password == l.password && !c.unsure && c.end < l.start:
			since, ok = c.end, true
		default:
			ok = false
		}
	}
	return since, ok
}

// wasIn reports whether somebody got in as a login would have, since a time and before it
// began.
func wasIn(earlier []revokingLogin, l revokingLogin, since time.Duration) bool {
	return slices.ContainsFunc(earlier, func(e revokingLogin) bool {
		return !e.refused && e.mechanism == l.mechanism && e.password == l.password && e.start > since && e.end < l.start
	})
}
