package verifier

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/queue"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/internal/workers"
)

// TransitionOptions configure a Transition. The zero value is safe.
type TransitionOptions struct {
	// Kinds are the secrets to make of a password: KindPassword, KindCRAMMD5,
	// KindDIGESTMD5 and those of SCRAM. Nil means SCRAM-SHA-256 and SCRAM-SHA-1.
	Kinds []Kind
	// Iterations is the count of SCRAM keys: 4,096 to 1,000,000, or 0 for 10,000.
	Iterations int
	// Life is how long a copy is good, counted from when the verifier was asked. It
	// is the longest that an old password still works by SCRAM after it was changed,
	// or its user deleted, behind our back. 0 means 24 hours: who uses PLAIN renews
	// his copy with every other login of a day, and a deleted account is gone the
	// day after. With a Mark, which tells at once, 0 means no end.
	Life time.Duration
	// Mark returns what changes when the verifier would answer otherwise about this
	// user: his line in a file, the version of his row; not the stamp of the whole
	// file, by which any change would end all copies. It must be the same after a
	// restart. It is asked before the verifier is, and at each look-up. A hash of it
	// is stored, so it must not be made of a password in plain text. An error is
	// temporary trouble. Nil: there is nothing to ask, and Life alone counts.
	Mark func(ctx context.Context, r Request) (string, error)
	// Complete says that every user of the verifier has a copy, so that mechanisms
	// may be advertised which nobody named. Nobody can count that: copies of users
	// who were deleted, and of old passwords, count like others.
	Complete bool
	// Observer is told of what became of copies, for logs and metrics; nil for
	// nobody. It is called concurrently, after the login was answered.
	Observer func(TransitionEvent)
}

// A TransitionEvent is something that a Transition did to the copy of a user, or could
// not do.
type TransitionEvent struct {
	User, Realm string
	Change      TransitionChange
	Err         error // nil if it was done
}

// A TransitionChange is what is done to a copy.
type TransitionChange uint8

// The changes of a copy.
const (
	CopyStored TransitionChange = iota
	CopyRemoved
)

// String returns "store" or "remove".
func (c TransitionChange) String() string {
	if c == CopyRemoved {
		return "remove"
	}
	return "store"
}

// ErrTransition: the options of a Transition make no sense.
var ErrTransition = errors.New("verifier: transition")

const (
	// copyLife is short, for whoever does not know of it is not to find that an
	// account which he deleted is alive weeks later.
	copyLife = 24 * time.Hour
	// endlessRenewal is when a copy without an end is made anew, so that other
	// Kinds and Iterations take effect.
	endlessRenewal = 30 * 24 * time.Hour
	// mostCopying bounds the logins whose copies are being made or wait for that;
	// of others the password is forgotten, and copied at a later login.
	mostCopying = 4096
	// storePatience is how long one call of the store may take.
	storePatience = 30 * time.Second
	// closePatience is how long Close waits for copies that are being made.
	closePatience = 5 * time.Second
)

// Transition moves users from a verifier that can only check passwords to a store of
// secrets, so that the challenge-response mechanisms come to work for them: whenever
// from accepts a password, secrets are made of it and stored in to.
//
// from is the truth. It is asked at each password check, whatever to holds. A copy is
// served for as long as it is known to be good, see [TransitionOptions.Life] and Mark.
// Then it lets nobody in and refuses nobody: the answer is ErrUnavailable until a
// login by PLAIN renews it. From that anybody can tell that such a user exists. A
// disabled or expired account, of which from tells after the right password, loses its
// copy at once.
//
// Users of to who have no Origin are its own: they are never changed, and their
// secrets are served as to does. Whose account has another name than was asked for, an
// alias, is not copied; what from tells about accounts beyond their names is not
// either, nor for which service it accepted them.
//
// Copies are made after the login was answered, by half of the processors, and one
// that cannot be stored is no failure of the login. Close ends that.
//
// When every user has a copy, a site goes on with to alone: there copies are users like
// others. Those that are void are deleted before.
func Transition(from Verifier, to SecretStore, o TransitionOptions) (*Transitioning, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := errors.Join(Validate(from), Validate(to)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTransition, err)
	}
	t := &Transitioning{
		from: from, to: to, o: o,
		queue: queue.New(runtime.GOMAXPROCS(0)/2, mostCopying),
		busy:  make(map[cacheKey]struct{}),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	rand.Read(t.key[:])
	return t, nil
}

// complete checks the options and fills in what is not set.
func (o *TransitionOptions) complete() error {
	if o.Kinds = slices.Clone(o.Kinds); len(o.Kinds) == 0 {
		o.Kinds = []Kind{KindSCRAMSHA256, KindSCRAMSHA1}
	}
	slices.Sort(o.Kinds) // what is cheap to compare with comes first
	o.Kinds = slices.Compact(o.Kinds)
	for _, k := range o.Kinds {
		if !k.makeable() {
			return fmt.Errorf("%w: no secret of kind %q can be made of a password that was checked", ErrTransition, k)
		}
	}
	if o.Iterations == 0 {
		o.Iterations = copyIterations
	}
	if o.Iterations < leastIterations || o.Iterations > mostIterations {
		return fmt.Errorf("%w: %d iterations, want %d to %d", ErrTransition, o.Iterations, leastIterations, mostIterations)
	}
	if o.Life < 0 {
		return fmt.Errorf("%w: copies cannot live for %v", ErrTransition, o.Life)
	}
	if o.Life == 0 && o.Mark == nil {
		o.Life = copyLife
	}
	return nil
}

// Transitioning is a verifier with the store to which its users move. It may be used
// concurrently, and is closed before the store. It prints as REDACTED.
type Transitioning struct {
	secret.Opaque
	from Verifier
	to   SecretStore
	o    TransitionOptions
	key  [sha256.Size]byte // of what is remembered

	ctx     context.Context // of what follows an answer
	cancel  context.CancelFunc
	queue   *queue.Queue // for computations
	workers workers.Pool
	all     sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	purges     [purgeGroups]purgeCount
	busy       map[cacheKey]struct{}
	young, old map[cacheKey]struct{} // copies that are known to be of a password
}

var _ SecretStore = (*Transitioning)(nil)

// String names both ends.
func (t *Transitioning) String() string {
	return "transition from " + Name(t.from) + " to " + Name(t.to)
}

// VerifyPassword implements Verifier. It is the answer of the verifier that is left
// behind: users whom only the store has are let in by Own.
func (t *Transitioning) VerifyPassword(ctx context.Context, r Request, password string) (Account, error) {
	if err := ctx.Err(); err != nil {
		return Account{}, fmt.Errorf("verifier: transition: %w: %w", ErrUnavailable, err)
	}
	c := copying{r: r, password: password, made: time.Now()}
	quiet := t.begin(&c)
	mark, err := t.mark(ctx, r)
	account, verdict := checked(t.from.VerifyPassword(ctx, r, password))
	switch {
	case Terminal(verdict):
		t.Forget(ctx, r)
	case verdict == nil && err == nil && quiet && account.User == r.User && account.Realm == r.Realm:
		c.mark = mark
		t.start(c)
	}
	return account, verdict
}

// LookupSecret implements SecretSource: the secrets of the store's own users, and the
// copies that are good. Whoever is asked for, the mark is and the store is, three times.
func (t *Transitioning) LookupSecret(ctx context.Context, r Request, kinds ...Kind) (Secret, error) {
	mark, markErr := t.mark(ctx, r)
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(k Kind) bool { return k == KindOrigin })
	for range lookupTries {
		before, copied, trouble := originOf(ctx, t.to, r)
		held, err := t.to.LookupSecret(ctx, r, kinds...)
		after, still, more := originOf(ctx, t.to, r)
		switch trouble = cmp.Or(trouble, more); {
		case err != nil && !Terminal(err):
			return Secret{}, err
		case trouble != nil:
			return Secret{}, trouble
		case copied != still || !bytes.Equal(before.Value, after.Value):
			continue // the secret may be of the one or of the other
		case !copied:
			return held, err
		case markErr != nil:
			return Secret{}, fmt.Errorf("verifier: transition: %w: %w", ErrUnavailable, markErr)
		}
		if origin, why := t.judge(before, mark); why != "" {
			return Secret{}, fmt.Errorf("verifier: transition: %w: the copy of user %.64q from %s is void, %s (a login by PLAIN renews it)", ErrUnavailable, r.User, origin.Source, why)
		}
		return held, err
	}
	return Secret{}, fmt.Errorf("verifier: transition: %w: user %.64q changes all the time", ErrUnavailable, r.User)
}

// lookupTries bounds how often a user is looked up who is being copied meanwhile.
const lookupTries = 3

// originOf returns the origin of a user of a store; copied is whether there is one. The
// error matches ErrUnavailable.
func originOf(ctx context.Context, store SecretSource, r Request) (held Secret, copied bool, err error) {
	held, err = store.LookupSecret(ctx, r, KindOrigin)
	switch {
	case Refused(err):
		return Secret{}, false, nil
	case err != nil && !Terminal(err):
		return Secret{}, false, fmt.Errorf("verifier: transition: %w: %w", ErrUnavailable, err)
	}
	return held, true, nil
}

// judge reads an origin and says why the copy is not good.
func (t *Transitioning) judge(held Secret, mark *string) (Origin, voidness) {
	origin, err := ParseOrigin(held.Value)
	if err != nil {
		return Origin{Source: "?"}, voidForm
	}
	return origin, origin.void(time.Now(), t.o.Life, mark)
}

// mark is nil if there is none to ask for.
func (t *Transitioning) mark(ctx context.Context, r Request) (*string, error) {
	if t.o.Mark == nil {
		return nil, nil
	}
	mark, err := t.o.Mark(ctx, r)
	return &mark, err
}

func (t *Transitioning) observe(r Request, change TransitionChange, err error) {
	switch {
	case t.o.Observer == nil, errors.Is(err, errNothingToDo):
		return
	}
	t.o.Observer(TransitionEvent{User: r.User, Realm: r.Realm, Change: change, Err: err})
}

// Close waits for the copies that are being made, 5 s at the most. No others are made
// afterwards; logins go on.
func (t *Transitioning) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	defer time.AfterFunc(closePatience, t.cancel).Stop()
	t.all.Wait()
	t.cancel()
	return nil
}
