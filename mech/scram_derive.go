package mech

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"crypto/sha256"

	"github.com/saslkit/saslkit/internal/queue"
	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// A Derivation lets servers speak SCRAM with users of whom the password is stored
// and not the keys, and with nobody. Both get a salt by one formula and the same
// count, so that they cannot be told apart:
//
//	HMAC-SHA-256(DecoyKey, "scram" NUL mechanism NUL user NUL realm), first 16 bytes
//
// where the mechanism is without -PLUS. The keys of users are derived when the
// client has answered and kept, so that a user's next login costs no PBKDF2. A
// failed login always costs one, whether there are keys or not.
//
// The same key makes what OTP asks of users who have no series.
//
// One Derivation serves all connections of a site; it may be used concurrently. It
// prints as REDACTED.
type Derivation struct {
	secret.Opaque
	decoyKey   []byte
	cacheKey   []byte // of the MACs of passwords, so that none is kept
	iterations int

	queue *queue.Queue // of derivations

	mu         sync.Mutex
	young, old map[derivedFor]derivedKeys
}

// Bounds of what is derived.
const (
	// cachedKeys bounds each half of the cache, in entries of some 300 bytes.
	cachedKeys = 4096
	// queuedIterations bounds the queue for a processor: whoever comes last waits
	// about a second.
	queuedIterations = 8_000_000
	derivedSalt      = 16 // bytes, as the salts of stored keys have
	leastDecoyKey    = 16
)

// ErrDerivation: the parameters of a Derivation are out of bounds.
var ErrDerivation = errors.New("mech: SCRAM derivation")

// NewDerivation returns a Derivation. The key must be secret, of 16 bytes or more,
// and the same on all servers of a site and after a restart: nil makes one up, and
// then a restart changes the salts. There are 4,096 to 1,000,000 iterations; 0 means
// 4,096.
func NewDerivation(decoyKey []byte, iterations int) (*Derivation, error) {
	if decoyKey == nil {
		decoyKey = randomKey()
	}
	if iterations == 0 {
		iterations = MinIterations
	}
	switch {
	case len(decoyKey) < leastDecoyKey:
		return nil, fmt.Errorf("%w: a decoy key of %d bytes, want %d or more", ErrDerivation, len(decoyKey), leastDecoyKey)
	case iterations < MinIterations || iterations > MaxIterations:
		return nil, fmt.Errorf("%w: %d iterations, want %d to %d", ErrDerivation, iterations, MinIterations, MaxIterations)
	}
	if len(decoyKey) > sha256.BlockSize { // RFC 2104 section 2
		sum := sha256.Sum256(decoyKey)
		decoyKey = sum[:]
	}
	processors := runtime.GOMAXPROCS(0)
	return &Derivation{
		decoyKey: decoyKey, cacheKey: randomKey(), iterations: iterations,
		queue: queue.New(processors, int64(processors)*queuedIterations/int64(iterations)),
		young: map[derivedFor]derivedKeys{},
	}, nil
}

func randomKey() []byte {
	key := make([]byte, sha256.Size)
	crand.Read(key)
	return key
}

// salt is that of users without stored keys and of names that nobody has.
func (d *Derivation) salt(h scram.Hash, user, realm string) [derivedSalt]byte {
	var room [sha256.Size]byte
	text := make([]byte, 0, 128)
	for _, part := range [...]string{"scram", h.Name(), user} {
		text = append(append(text, part...), 0)
	}
	sum := scram.SHA256.MAC(room[:0], d.decoyKey, append(text, realm...))
	return [derivedSalt]byte(sum)
}

// A derivedFor says whose keys are kept: there are no two users with one salt.
type derivedFor struct {
	hash scram.Hash
	salt [derivedSalt]byte
}

type derivedKeys struct {
	of             [sha256.Size]byte // MAC of the password
	stored, server []byte
}

// passwordMAC tells a password from the one that a user had before.
func (d *Derivation) passwordMAC(password string) (mac [sha256.Size]byte) {
	scram.SHA256.MAC(mac[:0], d.cacheKey, []byte(password))
	return mac
}

// verify checks a proof with the keys of a password. It keeps them if the proof is
// good and so asked. A proof that is not good costs one derivation, whatever is
// kept; errors are for want of time or room.
func (d *Derivation) verify(ctx context.Context, who derivedFor, password string, proof, authMessage []byte, keep bool) (match bool, server []byte, err error) {
	of := d.passwordMAC(password)
	k, ok := d.kept(who, of)
	if !ok {
		k.stored = noKey[:who.hash.Size()] // to hash as much as with kept keys
	}
	if who.hash.Proves(proof, k.stored, authMessage) && ok {
		return true, k.server, nil
	}
	k, err = d.derive(ctx, who, password)
	if err != nil || !who.hash.Proves(proof, k.stored, authMessage) {
		return false, nil, err
	}
	if keep {
		k.of = of
		d.keep(who, k)
	}
	return true, k.server, nil
}

var noKey [scram.MaxSize]byte

func (d *Derivation) derive(ctx context.Context, who derivedFor, password string) (k derivedKeys, err error) {
	if err := d.enter(ctx); err != nil {
		return k, err
	}
	defer d.queue.Leave()
	salted, err := who.hash.Salted(ctx, saslprep.Password(password), who.salt[:], d.iterations)
	if err != nil {
		return k, err
	}
	k.stored, k.server = who.hash.Keys(salted)
	return k, nil
}

var errBusy = fmt.Errorf("mech: too many SCRAM keys are being derived: %w", verifier.ErrUnavailable)

// enter waits until a processor is free for a derivation, unless too many wait.
func (d *Derivation) enter(ctx context.Context) error {
	err := d.queue.Enter(ctx)
	if err == queue.ErrFull {
		return errBusy
	}
	return err
}

// kept finds keys that were made of this very password.
func (d *Derivation) kept(who derivedFor, of [sha256.Size]byte) (derivedKeys, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok := d.young[who]
	if !ok {
		if k, ok = d.old[who]; ok {
			d.put(who, k)
		}
	}
	return k, ok && secret.Equal(of[:], k.of[:])
}

func (d *Derivation) keep(who derivedFor, k derivedKeys) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(who, k)
}

// put makes room by forgetting who has not logged in for longest: a full half
// becomes the old one, and what is used again moves to the young one.
func (d *Derivation) put(who derivedFor, k derivedKeys) {
	if len(d.young) == cachedKeys {
		d.young, d.old = map[derivedFor]derivedKeys{}, d.young
	}
	d.young[who] = k
	delete(d.old, who)
}
