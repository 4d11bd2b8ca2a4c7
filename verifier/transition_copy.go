package verifier

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/internal/secret"
)

// A copying is a password that was accepted and is to be copied.
type copying struct {
	secret.Opaque
	r        Request
	password string
	mark     *string   // nil: none
	made     time.Time // before the verifier was asked
	purges   uint64    // then
}

// errNothingToDo: the store stays as it is, and that is well.
var errNothingToDo = errors.New("verifier: transition: nothing to do")

// errBusy: there are too many copies to be made already.
var errBusy = fmt.Errorf("verifier: transition: %w: more than %d copies are to be made (one of the next logins copies the user)", ErrUnavailable, mostCopying)

// begin notes what has been purged so far. It returns false if a purge is under way:
// nobody knows what the store will hold after that.
func (t *Transitioning) begin(c *copying) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	group := t.purgesOf(c.r)
	c.purges = group.count
	return group.underWay == 0
}

// start makes the copy on another goroutine, unless that is being done already.
func (t *Transitioning) start(c copying) {
	k := t.keyOf(&c, nil)
	t.mu.Lock()
	_, same := t.busy[k]
	full := len(t.busy) >= mostCopying
	if t.closed || same || full {
		t.mu.Unlock()
		if full && !same {
			t.observe(c.r, CopyStored, errBusy)
		}
		return
	}
	t.busy[k] = struct{}{}
	t.all.Add(1)
	t.mu.Unlock()
	t.workers.Go(func() {
		defer t.all.Done()
		err := t.copySafely(&c)
		t.mu.Lock()
		delete(t.busy, k)
		t.mu.Unlock()
		t.observe(c.r, CopyStored, err)
	})
}

// copySafely answers for a panic of the store as for other trouble: on this goroutine
// nobody else would stop it.
func (t *Transitioning) copySafely(c *copying) (err error) {
	defer func() {
		if p := recover(); p != nil {
			// What was thrown may hold anything, a password among it.
			err = fmt.Errorf("verifier: transition: %w: panic of type %T", ErrUnavailable, p)
		}
	}()
	return t.copy(t.ctx, c)
}

// copy stores the secrets of a password, unless they are there.
func (t *Transitioning) copy(ctx context.Context, c *copying) error {
	held, err := t.stored(ctx, c.r, KindOrigin)
	switch {
	case errors.Is(err, ErrNoUser):
	case Refused(err):
		return errNothingToDo // a user of the store's own
	case err != nil && !Terminal(err):
		return err
	default:
		switch fresh, err := t.fresh(ctx, c, held); {
		case err != nil:
			return err
		case fresh:
			return errNothingToDo
		}
	}
	made, err := t.make(ctx, c)
	if err != nil {
		return err
	}
	return t.store(ctx, c, made)
}

// fresh reports whether the copy that is stored is of this password and need not be
// renewed yet. Once this is known it costs nothing any more.
func (t *Transitioning) fresh(ctx context.Context, c *copying, held Secret) (bool, error) {
	origin, why := t.judge(held, c.mark)
	renewal := endlessRenewal
	if t.o.Life > 0 {
		renewal = t.o.Life / 2
	}
	// Whether the source is another does not matter: two servers may have two names for
	// it, and would replace each other's copies at every login.
	if why != "" || origin.void(c.made, renewal, nil) != "" || (origin.Mark == "") != (c.mark == nil) {
		return false, nil
	}
	k := t.keyOf(c, held.Value)
	if t.known(k) {
		return true, nil
	}
	one, err := t.stored(ctx, c.r, t.o.Kinds...)
	switch {
	case Refused(err):
		return false, nil // other Kinds than when it was made
	case err != nil && !Terminal(err):
		return false, err
	}
	if err := t.queue.Enter(ctx); err != nil {
		return false, fmt.Errorf("verifier: transition: %w: %w", ErrUnavailable, err)
	}
	defer t.queue.Leave()
	same, err := one.Matches(ctx, c.r, saslprep.Password(c.password))
	if same {
		t.learn(k)
	}
	return same, err
}

// stored looks a secret up in the store, without waiting for ever.
func (t *Transitioning) stored(ctx context.Context, r Request, kinds ...Kind) (Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	return t.to.LookupSecret(ctx, r, kinds...)
}

// make makes the secrets, the origin among them.
func (t *Transitioning) make(ctx context.Context, c *copying) ([]Secret, error) {
	if err := t.queue.Enter(ctx); err != nil {
		return nil, fmt.Errorf("verifier: transition: %w: %w", ErrUnavailable, err)
	}
	defer t.queue.Leave()
	made, err := secretsOf(ctx, c.r, c.password, t.o.Kinds, t.o.Iterations)
	if err != nil {
		return nil, err
	}
	origin := Origin{Source: sourceName(Name(t.from)), Made: c.made}
	if t.o.Life > 0 {
		origin.Until = c.made.Add(t.o.Life)
	}
	if c.mark != nil {
		origin.Mark = hashMark(*c.mark)
	}
	return append(made, Secret{Kind: KindOrigin, Value: origin.Append(nil), Account: Account{User: c.r.User, Realm: c.r.Realm}}), nil
}

// store makes the secrets the user's only ones, if he is a copy or nobody yet, and
// nothing was revoked since the password was accepted.
func (t *Transitioning) store(ctx context.Context, c *copying, made []Secret) error {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	err := t.to.Update(ctx, c.r, func(e Entry) (Entry, error) {
		origin, copied := originIn(e.Secrets)
		switch {
		case e.Exists && !copied:
			return e, errNothingToDo // a user of the store's own, who came meanwhile
		case e.Disabled:
			return e, errNothingToDo // in the store, which is not for us to undo
		case origin.Made.After(c.made) && origin.void(time.Now(), 0, nil) == "":
			return e, errNothingToDo // somebody has copied a later answer
		case t.purgedSince(c):
			return e, errNothingToDo
		}
		return Entry{Exists: true, Secrets: slices.Clone(made)}, nil
	})
	if err == nil {
		t.learn(t.keyOf(c, made[len(made)-1].Value))
	}
	return err
}

func (t *Transitioning) purgedSince(c *copying) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.purgesOf(c.r).count != c.purges
}

// keyOf is a MAC of a password and whose it is, and of the origin of a copy: any change
// of that makes another.
func (t *Transitioning) keyOf(c *copying, origin []byte) (k cacheKey) {
	var room [512]byte
	b := room[:0]
	mark := ""
	if c.mark != nil {
		mark = *c.mark
	}
	for _, s := range [...]string{c.r.User, c.r.Realm, c.password, mark, string(origin)} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	scram.SHA256.MAC(k[:0], t.key[:], b)
	return k
}

// halfKnown is half of how many copies are remembered, of some 50 bytes each.
const halfKnown = 50_000

func (t *Transitioning) known(k cacheKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, young := t.young[k]
	_, old := t.old[k]
	if old && !young {
		t.put(k)
	}
	return young || old
}

func (t *Transitioning) learn(k cacheKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(k)
}

// put forgets what was not asked for longest, as a Cache does.
func (t *Transitioning) put(k cacheKey) {
	if len(t.young) >= halfKnown || t.young == nil {
		t.young, t.old = make(map[cacheKey]struct{}), t.young
	}
	t.young[k] = struct{}{}
}
