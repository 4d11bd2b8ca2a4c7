package verifier

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
)

// Update implements SecretStore: it changes the store. No password that was accepted
// before it has returned is copied afterwards by this process.
func (t *Transitioning) Update(ctx context.Context, r Request, change func(Entry) (Entry, error)) error {
	defer t.purge(r)()
	return t.to.Update(ctx, r, change)
}

// Forget deletes the copy of a user, for whoever has changed a password or deleted a
// user where the copy is from. Once it has returned nil no login that starts later is
// served by what was copied before. Users of the store's own stay.
//
// Another process may be storing a copy at that moment: Life and Mark end that one.
func (t *Transitioning) Forget(ctx context.Context, r Request) error {
	defer t.purge(r)()
	err := t.remove(ctx, r)
	t.observe(r, CopyRemoved, err)
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}

// A purgeCount is of the purges of some users. A purge counts twice, as it begins and
// as it ends: a copy of what was accepted before or meanwhile is not stored, for it
// has another count or saw that one was under way.
type purgeCount struct {
	count    uint64
	underWay int
}

// purgeGroups is into how many groups the users are put: a purge costs at most that the
// copies of some others are made at a later login.
const purgeGroups = 256

// purgesOf is called with the lock held. Realms do not matter, nor the case of letters:
// one user may be reached by several.
func (t *Transitioning) purgesOf(r Request) *purgeCount {
	sum := sha256.Sum256([]byte(strings.ToLower(r.User)))
	return &t.purges[int(sum[0])%purgeGroups]
}

// purge begins one, and returns what ends it.
func (t *Transitioning) purge(r Request) (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	group := t.purgesOf(r)
	group.count++
	group.underWay++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		group.count++
		group.underWay--
	}
}

// remove deletes a user who is a copy.
func (t *Transitioning) remove(ctx context.Context, r Request) error {
	switch _, copied, err := originOf(ctx, t.to, r); {
	case err != nil:
		return err
	case !copied:
		return errNothingToDo
	}
	return t.to.Update(ctx, r, func(e Entry) (Entry, error) {
		if _, copied := originIn(e.Secrets); !copied || e.Disabled {
			return e, errNothingToDo // disabled in the store, it stays so
		}
		return Entry{}, nil
	})
}
