package oauth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// longestMemory is the longest that a good token is remembered: for so long a
	// revocation goes unnoticed.
	longestMemory = 5 * time.Minute
	// memories is how many are remembered at least, in each of two generations; each takes
	// some 200 bytes.
	memories = 5000
)

// A memory remembers whose a good token is. Of the token it keeps a keyed hash. It may be
// used concurrently.
type memory struct {
	life time.Duration // 0: it remembers nothing
	key  [sha256.Size]byte

	mu         sync.Mutex
	young, old map[tokenHash]good
}

type tokenHash [sha256.Size]byte

// A good token is its user's until then.
type good struct {
	user  string
	until time.Time
}

func newMemory(life time.Duration) *memory {
	m := &memory{life: min(max(life, 0), longestMemory)}
	rand.Read(m.key[:])
	return m
}

func (m *memory) hash(token string) (h tokenHash) {
	mac := hmac.New(sha256.New, m.key[:])
	mac.Write([]byte(token))
	mac.Sum(h[:0])
	return h
}

// user is whose a token is, if that is remembered. Being asked for does not prolong it.
func (m *memory) user(h tokenHash, now time.Time) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.young[h]
	if !ok {
		g, ok = m.old[h]
	}
	if !ok || !now.Before(g.until) {
		return "", false
	}
	return g.user, true
}

// keep remembers a token that was good at a time, but not longer than it is. The
// generation before the last is forgotten when there are too many.
func (m *memory) keep(h tokenHash, user string, at, expires time.Time) {
	until := at.Add(m.life)
	if !expires.IsZero() && expires.Before(until) {
		until = expires
	}
	if !at.Before(until) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.young == nil || len(m.young) >= memories {
		m.young, m.old = make(map[tokenHash]good), m.young
	}
	m.young[h] = good{user, until}
	delete(m.old, h)
}
