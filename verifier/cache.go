package verifier

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/internal/secret"
)

// CacheOptions configure a Cache. The zero value is safe.
type CacheOptions struct {
	// Life is how long a success is remembered, counted from when v was asked. 0, or
	// less, means 5 s; more than an hour is an hour. Without a Mark it is the
	// longest that a change may be overlooked which is not made through the
	// cache: a password that was replaced, a user who was disabled.
	Life time.Duration
	// Entries is how many successes are remembered; 0, or less, means 10,000. Each
	// takes some 300 bytes, and what its account's attributes do.
	Entries int
	// Mark returns what changes when the store does: the stamp of a file, the
	// version of a row. It is asked at every check, and before v is. What was
	// remembered under another mark is forgotten; on an error it is too, v is
	// asked, and its answer not remembered. Nil: there is nothing to ask.
	Mark func(ctx context.Context, r Request) (string, error)
}

const (
	cacheLife        = 5 * time.Second
	longestCacheLife = time.Hour
	cacheEntries     = 10_000
)

// Cache remembers for a short time whose password v said is right, for stores that
// are slow or far away: mail clients log in many times a minute.
//
// Only successes of VerifyPassword are remembered, never a refusal or a disabled
// account, and secrets are not. A success is remembered for everything that v could
// decide by: the names, service, mechanism and addresses of the request, without
// the ports, and the password. Of these a keyed hash is kept, not the password. A hit
// does not prolong it.
//
// Within Life a change to the store is overlooked unless there is a Mark that tells.
// A change made by Update, or followed by Forget, is not: once that returns, no login
// that starts later succeeds by what was remembered before.
func Cache(v Verifier, o CacheOptions) *Cached {
	if o.Life <= 0 {
		o.Life = cacheLife
	}
	if o.Entries <= 0 {
		o.Entries = cacheEntries
	}
	c := &Cached{v: v, life: min(o.Life, longestCacheLife), half: max(1, o.Entries/2), mark: o.Mark, epoch: time.Now()}
	rand.Read(c.key[:])
	return c
}

// Cached is a verifier with a Cache. Its Coverage is that of the wrapped one, which
// LookupSecret asks each time. It may be used concurrently. It prints as REDACTED.
type Cached struct {
	secret.Opaque
	v     Verifier
	life  time.Duration
	half  int // how many entries make a generation
	mark  func(context.Context, Request) (string, error)
	key   [sha256.Size]byte
	epoch time.Time

	mu         sync.Mutex
	purges     uint64 // answers that began before the last one are not remembered
	young, old map[cacheKey]*cacheEntry
}

var _ SecretStore = (*Cached)(nil)

// A cacheKey is a MAC of a request and a password.
type cacheKey [sha256.Size]byte

// A cacheEntry is never changed.
type cacheEntry struct {
	user    string // as asked for
	account Account
	mark    string
	until   time.Duration // since the epoch
}

// String names what is cached.
func (c *Cached) String() string { return "cache of " + Name(c.v) }

// Coverage implements SecretSource.
func (c *Cached) Coverage() Coverage { return CoverageOf(c.v) }

// LookupSecret implements SecretSource. Nothing is remembered.
func (c *Cached) LookupSecret(ctx context.Context, r Request, kinds ...Kind) (Secret, error) {
	return lookup(ctx, c.v, r, kinds)
}

// VerifyPassword implements Verifier.
func (c *Cached) VerifyPassword(ctx context.Context, r Request, password string) (Account, error) {
	if err := ctx.Err(); err != nil {
		return Account{}, fmt.Errorf("verifier: cache: %w: %w", ErrUnavailable, err)
	}
	k := c.keyOf(&r, password)
	began := time.Since(c.epoch)
	mark, err := c.markOf(ctx, r)
	account, purges, hit := c.remembered(k, mark, err == nil, began)
	if hit {
		return account, nil
	}
	account, verdict := checked(c.v.VerifyPassword(ctx, r, password))
	if verdict == nil && err == nil {
		c.remember(k, purges, &cacheEntry{user: r.User, account: account.clone(), mark: mark, until: began + c.life})
	}
	return account, verdict
}

func (c *Cached) markOf(ctx context.Context, r Request) (string, error) {
	if c.mark == nil {
		return "", nil
	}
	return c.mark(ctx, r)
}

// keyOf hashes all that v may decide by, each with its length before it.
func (c *Cached) keyOf(r *Request, password string) (k cacheKey) {
	var room [512]byte
	b := room[:0]
	for _, s := range [...]string{r.User, r.Realm, r.Service, r.Mechanism, password} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, a := range [...]netip.Addr{r.Remote.Addr(), r.Local.Addr()} {
		var room [64]byte
		text := a.AppendTo(room[:0])
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	scram.SHA256.MAC(k[:0], c.key[:], b)
	return k
}

// remembered returns the account of an entry that is still good. What is not is
// forgotten. purges is for remember.
func (c *Cached) remembered(k cacheKey, mark string, known bool, now time.Duration) (a Account, purges uint64, hit bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.young[k]
	if !ok {
		e, ok = c.old[k]
	}
	switch {
	case !ok:
		return Account{}, c.purges, false
	case !known || e.mark != mark || now >= e.until:
		delete(c.young, k)
		delete(c.old, k)
		return Account{}, c.purges, false
	}
	c.put(k, e)
	return e.account.clone(), c.purges, true
}

// remember keeps an answer, unless something was purged since the question.
func (c *Cached) remember(k cacheKey, purges uint64, e *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.purges == purges {
		c.put(k, e)
	}
}

// put makes room by forgetting what was not asked for longest: a full half becomes
// the old one, and what is asked for again moves to the young one.
func (c *Cached) put(k cacheKey, e *cacheEntry) {
	if _, ok := c.young[k]; !ok && len(c.young) >= c.half || c.young == nil {
		c.young, c.old = make(map[cacheKey]*cacheEntry), c.young
	}
	c.young[k] = e
	delete(c.old, k)
}

// Forget forgets all successes of a user: of who was asked for under this name, or
// turned out to have it, in whatever case. The realm is not compared, for one user may
// be reached in several (MapRealm). No login that starts after it has returned is
// answered by what v said before.
func (c *Cached) Forget(user, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.purges++
	gone := func(_ cacheKey, e *cacheEntry) bool {
		return strings.EqualFold(e.user, user) || strings.EqualFold(e.account.User, user)
	}
	maps.DeleteFunc(c.young, gone)
	maps.DeleteFunc(c.old, gone)
}

// Update implements SecretStore: it forgets the user before it returns, also when it
// failed, for then nobody knows. If v is no SecretStore the error matches
// [errors.ErrUnsupported].
func (c *Cached) Update(ctx context.Context, r Request, change func(Entry) (Entry, error)) error {
	defer c.Forget(r.User, r.Realm)
	return update(ctx, c.v, r, change)
}

// clone returns an account that shares nothing with a.
func (a Account) clone() Account {
	a.Attributes = maps.Clone(a.Attributes)
	for key, values := range a.Attributes {
		a.Attributes[key] = slices.Clone(values)
	}
	return a
}
