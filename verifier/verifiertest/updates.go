package verifiertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/saslkit/saslkit/verifier"
)

// An author writes to a store, always about the one user that it adds.
type author struct {
	*check
	store verifier.SecretStore
	r     verifier.Request
	kinds []verifier.Kind // that the store takes
}

// updates adds a user, changes and removes him.
func (c *check) updates(s verifier.SecretStore) {
	w := author{check: c, store: s}
	u := User{Name: "verifiertest-" + c.token}
	if len(c.users) > 0 {
		u.Realm = c.users[0].Realm
	}
	w.r = u.request()
	if !w.writable() {
		return
	}
	defer w.remove()
	w.add()
	w.changeError()
	w.cancelledUpdate()
	w.replace()
	w.disable()
	w.lost()
	w.removed()
}

// again finds out whether the others are as they were.
func (c *check) again(s verifier.SecretSource) {
	for _, u := range c.users {
		c.same(u, ruleUntouched)
		c.sameSecrets(s, u, ruleUntouched)
	}
}

// spoil changes every byte of the values.
func spoil(secrets []verifier.Secret) {
	for _, s := range secrets {
		for i := range s.Value {
			s.Value[i] ^= 0x55
		}
	}
}

func (w author) samples(n uint32, kinds ...verifier.Kind) (all []verifier.Secret) {
	for _, k := range kinds {
		if s, ok := w.sample(k, n); ok {
			all = append(all, s)
		}
	}
	return all
}

func (w author) update(change func(verifier.Entry) (verifier.Entry, error)) answer {
	return w.check.update(background(), w.store, w.r, change)
}

// put makes the secrets the user's only ones.
func (w author) put(secrets ...verifier.Secret) answer {
	return w.update(func(e verifier.Entry) (verifier.Entry, error) {
		e.Exists, e.Secrets = true, secrets
		return e, nil
	})
}

func (w author) remove() answer {
	return w.update(func(verifier.Entry) (verifier.Entry, error) { return verifier.Entry{}, nil })
}

var errPeek = errors.New("verifiertest: only looking")

// peek returns the entry as it is.
func (w author) peek() (e verifier.Entry, ok bool) {
	entries := make(chan verifier.Entry, 1)
	a := w.update(func(now verifier.Entry) (verifier.Entry, error) {
		select {
		case entries <- now:
		default:
		}
		return verifier.Entry{}, errPeek
	})
	if a.made && !errors.Is(a.err, errPeek) {
		w.broken(ruleChangeErr, w.r, "change failed, Update gives %v", a)
	}
	select {
	case e = <-entries:
		return e, a.made
	default:
		return e, false
	}
}

// holds compares all that the store says about the user with what was put.
func (w author) holds(rule string, secrets ...verifier.Secret) {
	e, ok := w.peek()
	if !ok {
		return
	}
	if want := len(secrets) > 0; e.Exists != want {
		w.broken(ruleExists, w.r, "Entry.Exists is %v with %d secrets stored", e.Exists, len(secrets))
	}
	var kinds []verifier.Kind
	for _, s := range e.Secrets {
		kinds = append(kinds, s.Kind)
	}
	if len(kinds) != len(secrets) {
		w.broken(rule, w.r, "the entry has %v, want %d kinds", kinds, len(secrets))
	}
	for _, k := range handedOut {
		i := slices.IndexFunc(secrets, func(s verifier.Secret) bool { return s.Kind == k })
		a := w.lookup(background(), w.store, w.r, k)
		switch {
		case !a.made:
		case i >= 0 && slices.ContainsFunc(secrets, isPassword) && keptBack(k, a):
		case i < 0 && !a.refused():
			w.broken(rule, w.r, "%v was not stored, a look-up gives %v", k, a)
		case i >= 0 && (a.err != nil || !bytes.Equal(a.secret.Value, secrets[i].Value)):
			w.broken(rule, w.r, "%v was stored, a look-up gives something else or %v", k, a)
		case i >= 0 && !slices.ContainsFunc(e.Secrets, func(s verifier.Secret) bool { return s.Kind == k && bytes.Equal(s.Value, secrets[i].Value) }):
			w.broken(rule, w.r, "%v was stored, the entry does not have it", k)
		}
	}
}

// keptBack reports whether a look-up was answered as the store may if the user has
// a password too: it cannot know whether SCRAM keys are still those of it, and a
// mechanism computes them just as well.
func keptBack(k verifier.Kind, a answer) bool {
	return k.IsSCRAM() && errors.Is(a.err, verifier.ErrNoSecret)
}

func isPassword(s verifier.Secret) bool { return s.Kind == verifier.KindPassword }

// writable finds out which kinds the store takes: not every store takes all.
func (w *author) writable() bool {
	if a := w.remove(); errors.Is(a.err, errors.ErrUnsupported) {
		return false // a wrapper of a verifier that is no store
	}
	var refusals []string
	for _, k := range handedOut {
		s, ok := w.sample(k, 0)
		if !ok {
			continue
		}
		a := w.put(s)
		if !a.made {
			return false
		}
		if a.err != nil {
			refusals = append(refusals, fmt.Sprintf("%v: %v", k, a))
			w.holds(ruleChangeErr)
			continue
		}
		w.kinds = append(w.kinds, k)
		if a := w.remove(); a.made && a.err != nil {
			w.broken(ruleRemove, w.r, "%v", a)
			return false
		}
	}
	if len(w.kinds) == 0 {
		w.broken(ruleAdd, w.r, "%s", strings.Join(refusals, "; "))
	}
	return len(w.kinds) > 0
}

// add stores every kind and looks whether it is there.
func (w author) add() {
	w.holds(ruleAdd) // nothing yet
	want := w.samples(1, w.kinds...)
	given := w.samples(1, w.kinds...)
	if a := w.put(given...); a.made && a.err != nil {
		w.broken(ruleAdd, w.r, "all kinds together: %v", a)
		return
	}
	w.holds(ruleAdd, want...)
	spoil(given)
	w.holds(ruleStored, want...)
	w.accepted(ruleAdd, 1)
}

// accepted tries the n-th password if passwords are stored at all.
func (w author) accepted(rule string, n uint32) {
	if !slices.Contains(w.kinds, verifier.KindPassword) {
		return
	}
	if a := w.verify(background(), w.r, w.password(n)); a.made && a.err != nil {
		w.broken(rule, w.r, "the new password gives %v", a)
	}
}

func (w author) revoked(rule string, n uint32) {
	if a := w.verify(background(), w.r, w.password(n)); !a.refused() {
		w.broken(rule, w.r, "the old password gives %v", a)
	}
}

// changeError changes what change was given and then fails.
func (w author) changeError() {
	mine := errors.New("verifiertest: change failed")
	a := w.update(func(e verifier.Entry) (verifier.Entry, error) {
		spoil(e.Secrets)
		clear(e.Secrets)
		return verifier.Entry{Exists: true, Secrets: w.samples(2, w.kinds...)}, mine
	})
	if a.made && !errors.Is(a.err, mine) {
		w.broken(ruleChangeErr, w.r, "Update gives %v", a)
	}
	w.holds(ruleChangeErr, w.samples(1, w.kinds...)...)
}

func (w author) cancelledUpdate() {
	ctx, cancel := context.WithCancel(background())
	cancel()
	w.over(w.r, "update", func() answer {
		return w.check.update(ctx, w.store, w.r, func(e verifier.Entry) (verifier.Entry, error) {
			return verifier.Entry{Exists: true, Secrets: w.samples(2, w.kinds...)}, nil
		})
	}, true)
	w.holds(ruleUpdateDone, w.samples(1, w.kinds...)...)
}

// replace stores one kind at a time in the place of all.
func (w author) replace() {
	n := uint32(1)
	for _, k := range w.kinds {
		w.put(w.samples(n, w.kinds...)...)
		w.verify(background(), w.r, w.password(n)) // whatever is cached is cached
		n++
		only := w.samples(n, k)
		if a := w.put(only...); a.made && a.err != nil {
			w.broken(ruleReplace, w.r, "%v alone: %v", k, a)
			continue
		}
		w.revoked(ruleRevoked, n-1)
		if k == verifier.KindPassword {
			w.accepted(ruleRevoked, n)
		}
		w.holds(ruleReplace, only...)
	}
}

// disable locks the account, which some stores cannot.
func (w author) disable() {
	w.put(w.samples(1, w.kinds...)...)
	a := w.update(func(e verifier.Entry) (verifier.Entry, error) {
		e.Disabled = true
		return e, nil
	})
	if !a.made {
		return
	}
	if a.err != nil {
		w.holds(ruleChangeErr, w.samples(1, w.kinds...)...)
		return
	}
	for _, k := range w.kinds {
		a := w.lookup(background(), w.store, w.r, k)
		if slices.Contains(w.kinds, verifier.KindPassword) && keptBack(k, a) {
			continue
		}
		if a.made && (!errors.Is(a.err, verifier.ErrDisabled) || !a.found()) {
			w.broken(ruleDisable, w.r, "%v: %v", k, a)
		}
	}
	if slices.Contains(w.kinds, verifier.KindPassword) {
		a := w.verify(background(), w.r, w.password(1))
		if a.made && !errors.Is(a.err, verifier.ErrDisabled) {
			w.broken(ruleDisable, w.r, "right password: %v", a)
		}
	}
	if e, ok := w.peek(); ok && (!e.Disabled || !e.Exists) {
		w.broken(ruleDisable, w.r, "Entry.Disabled is %v, Entry.Exists is %v", e.Disabled, e.Exists)
	}
	w.update(func(e verifier.Entry) (verifier.Entry, error) {
		e.Disabled = false
		return e, nil
	})
	w.holds(ruleDisable, w.samples(1, w.kinds...)...)
}

// lost counts in a secret from several goroutines.
func (w author) lost() {
	const goroutines, rounds = 8, 4
	k := w.kinds[0]
	w.put(w.samples(0, k)...)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range rounds {
				a := w.update(func(e verifier.Entry) (verifier.Entry, error) {
					if len(e.Secrets) != 1 {
						return e, fmt.Errorf("entry with %d secrets, want 1", len(e.Secrets))
					}
					e.Secrets = w.samples(numberOf(e.Secrets[0])+1, k)
					return e, nil
				})
				if a.made && a.err != nil {
					w.broken(ruleLost, w.r, "%v", a)
				}
			}
		})
	}
	all.Wait()
	e, ok := w.peek()
	switch {
	case !ok:
	case len(e.Secrets) != 1:
		w.broken(ruleLost, w.r, "the entry has %d secrets, want 1", len(e.Secrets))
	case numberOf(e.Secrets[0]) != goroutines*rounds:
		w.broken(ruleLost, w.r, "%d updates counted %d", goroutines*rounds, numberOf(e.Secrets[0]))
	}
}

// removed ends the user.
func (w author) removed() {
	w.put(w.samples(1, w.kinds...)...)
	w.verify(background(), w.r, w.password(1))
	if a := w.remove(); a.made && a.err != nil {
		w.broken(ruleRemove, w.r, "%v", a)
	}
	w.revoked(ruleRemove, 1)
	w.holds(ruleRemove)
	if a := w.lookup(background(), w.store, w.r, w.kinds...); a.made && !errors.Is(a.err, verifier.ErrNoUser) {
		w.broken(ruleRemove, w.r, "a look-up gives %v", a)
	}
}
