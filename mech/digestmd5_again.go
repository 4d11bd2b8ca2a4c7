package mech

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
)

// Subsequent authentication, RFC 2831 section 2.2: a client that logged in may log in
// again with the nonces of that time and a higher count, which saves one message.

// firstCount is the nonce count of a full login.
const firstCount = "00000001"

// Nonces remembers nonces that clients logged in with, so that they may do so again.
// One Nonces serves all connections of a site; it may be used concurrently. It keeps
// nothing across a restart and shares nothing with other machines: clients then log
// in as if for the first time. It prints as REDACTED.
//
// Only a login that succeeded, and without a security layer, is remembered. Passwords
// are looked up each time. A response that is right and whose nonce is too old, or
// whose count was seen, is answered with a fresh challenge that says "stale"; one that
// is wrong ends the exchange, so that an exchange is one guess at the password.
type Nonces struct {
	secret.Opaque
	life time.Duration
	now  func() time.Time // tests inject

	mu    sync.Mutex
	known map[string]*usedNonce
	ring  []string // in the order of their logins; the next one takes the place at
	at    int
}

// A usedNonce is some 200 bytes with its place in the map.
type usedNonce struct {
	of    [sha256.Size]byte // who used it, and with which nonce of his own
	since time.Time
	count uint32
}

// Bounds of Nonces.
const (
	defaultNonces = 1000
	maxNonces     = 100_000
	maxNonceLife  = 24 * time.Hour
)

// ErrNonces: the parameters of Nonces are out of bounds.
var ErrNonces = errors.New("mech: nonces")

// NewNonces returns a Nonces without any. Life is how long after the full login a
// nonce does: up to 24 hours. There are at most so many entries, up to 100,000; 0
// means 1,000. The oldest makes room.
func NewNonces(life time.Duration, entries int) (*Nonces, error) {
	if entries == 0 {
		entries = defaultNonces
	}
	switch {
	case life <= 0 || life > maxNonceLife:
		return nil, fmt.Errorf("%w: a life of %v, want more than 0 and at most %v", ErrNonces, life, maxNonceLife)
	case entries < 1 || entries > maxNonces:
		return nil, fmt.Errorf("%w: %d entries, want 1 to %d", ErrNonces, entries, maxNonces)
	}
	return &Nonces{life: life, now: time.Now, known: map[string]*usedNonce{}, ring: make([]string, entries)}, nil
}

// user is what of a response must be the same the next time.
func (r *digestResponse) user() [sha256.Size]byte {
	var b []byte
	for _, part := range [...]string{r.username, r.realm, r.cnonce} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return sha256.Sum256(b)
}

// count is the nonce count, which was checked to be 8 hex digits.
func (r *digestResponse) count() uint32 {
	n, _ := strconv.ParseUint(r.nc, 16, 32)
	return uint32(n)
}

// remember keeps the nonce of a login; a nil Nonces does not.
func (n *Nonces) remember(r *digestResponse) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, n.ring[n.at])
	n.ring[n.at] = r.nonce
	n.at = (n.at + 1) % len(n.ring)
	n.known[r.nonce] = &usedNonce{of: r.user(), since: n.now(), count: r.count()}
}

// knows reports whether the user of a response used its nonce before.
func (n *Nonces) knows(r *digestResponse) bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	used, ok := n.known[r.nonce]
	return ok && used.of == r.user()
}

// take uses a nonce with a count, once. It returns false if the nonce is too old or
// was used with this count or a higher one. A count that is more than one higher is
// taken: a message of the client may have been lost.
func (n *Nonces) take(r *digestResponse) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	used, ok := n.known[r.nonce]
	if !ok || used.of != r.user() || n.now().Sub(used.since) > n.life || r.count() <= used.count {
		return false
	}
	used.count = r.count()
	return true
}

var errNoInitial = errors.New("mech: DIGEST-MD5 has no initial response but with the nonce of an earlier login")

// again takes a response to a challenge of an earlier exchange. What cannot do is
// answered as if there had been none: with a challenge, and no look-up.
func (s *digestMD5Server) again(ctx context.Context, response []byte) ([]byte, state[digestMD5Server], error) {
	r, err := parseDigestResponse(response)
	switch {
	case err != nil:
		return nil, nil, malformed("malformed", err)
	case r.count() < 2:
		return nil, nil, malformed("protocol", errNoInitial)
	case r.qop != qopAuth || s.layers().Min > 0 || !s.Nonces.knows(&r):
		return s.challenge(false)
	}
	s.offered.realms = s.Realms()
	login, err := s.check(ctx, &r, "")
	if err != nil {
		return nil, nil, err
	}
	if !s.Nonces.take(&r) {
		return s.challenge(true)
	}
	rspauth, err := s.admit(ctx, &r, login)
	return rspauth, nil, err
}

// A Previous remembers a client's last login with DIGEST-MD5, so that the next one
// to the same server saves a message. The zero value remembers none. It is for one
// server, may be used concurrently, and holds no password. It prints as REDACTED.
//
// A login takes what is remembered and brings it back if it succeeds: two at once are
// one of this kind and a full one, and a server that does not like it sees it once.
type Previous struct {
	secret.Opaque
	mu   sync.Mutex
	with previousLogin
	last *digestResponse
}

// A previousLogin is what of a ClientConfig must be the same.
type previousLogin struct{ username, authzid, realm, uri string }

func (c *ClientConfig) previousLogin() previousLogin {
	return previousLogin{c.Username, c.Authzid, c.Realm, c.digestURI()}
}

// take returns the response for another login, without its value. It returns false if
// there is nothing to go on from. A security layer wants fresh nonces.
func (p *Previous) take(c *ClientConfig) (digestResponse, bool) {
	if p == nil || c.Layers.Max > 0 {
		return digestResponse{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || p.with != c.previousLogin() || p.last.count() == 1<<32-1 {
		return digestResponse{}, false
	}
	r := *p.last
	p.last = nil
	r.nc = fmt.Sprintf("%08x", r.count()+1)
	return r, true
}

// remember keeps a login that succeeded; a nil Previous does not.
func (p *Previous) remember(c *ClientConfig, r digestResponse) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := r // r itself would be on the heap always
	p.with, p.last = c.previousLogin(), &kept
}
