package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// passwd --all makes SCRAM keys of all the passwords that a file holds, in one commit.
// Making them takes minutes, for which no other writer can be kept waiting. So they are
// made without the lock, and what becomes of a user is decided under it by what the file
// holds of him then: there are no keys for who has got another password since, and it goes
// round once more.

// A rekeying is one such change.
type rekeying struct {
	std        *stdio
	path       string
	realms     []string     // the spellings of the one that is meant; nil: all realms
	except     [][]userName // who is left out, each with the names under which he may be stored
	iterations int
	noPlain    bool
	derive     deriving

	made    map[userName]making // in the rounds before
	missing []ingredients       // for this round's commit
	rekeyed
}

// maxKeyRounds bounds how often passwords may change while keys are made of them. In the
// second round they are made only of those that changed during the first.
const maxKeyRounds = 20

// A rekeyed counts users by what became of them.
type rekeyed struct{ all, made, same, bare, disabled, excepted, dropped int }

// rekeying is the change that --all asks for.
func (p *passwd) rekeying(flags *pflag.FlagSet) (*rekeying, error) {
	var other string
	flags.Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"all", "scram", "no-plain", "iterations", "except", "realm", "file"}, f.Name) {
			other = f.Name
		}
	})
	switch {
	case other != "":
		return nil, usage("passwd: --all and --%s exclude each other", other)
	case !p.scram:
		return nil, usage("passwd: --all needs --scram: it makes SCRAM keys of the passwords that are stored")
	}
	r := &rekeying{
		std: p.std, path: p.path, noPlain: p.noPlain, derive: scram.New,
		iterations: cmp.Or(p.options.Iterations, mech.NewIterations), made: map[userName]making{},
	}
	if flags.Changed("realm") { // "" is a realm too, and not everybody's
		r.realms = []string{p.realm}
		if prepared, err := storedName("the realm", p.realm); err == nil {
			r.realms = append(r.realms, prepared)
		}
	}
	for _, given := range p.except {
		names, err := possibleNames(given, p.realm)
		if err != nil {
			return nil, usage("passwd: --except: %w", err)
		}
		r.except = append(r.except, names)
	}
	return r, nil
}

var (
	// errMissing takes a commit back because there are no keys yet for somebody.
	errMissing = errors.New("keys are missing")
	// errUntouched leaves a user as he is.
	errUntouched = errors.New("untouched")
)

func (r *rekeying) run(ctx context.Context) error {
	if err := sasldb.CheckWritable(ctx, r.path); err != nil { // before the work
		return err
	}
	for range maxKeyRounds {
		err := r.std.spin("changing "+r.path, func() error { return sasldb.Edit(ctx, r.path, sasldb.WriteOptions{}, r.commit) })
		if err == nil {
			r.std.say("%s", r)
		}
		if !errors.Is(err, errMissing) {
			return err
		}
		if err := r.makeMissing(ctx); err != nil {
			return err
		}
	}
	return untried(fmt.Errorf("%s: passwords change all the time, so no keys were stored (try again later)", r.path))
}

// commit gives everybody the keys that were made, or finds out which are missing. It may
// be called again with newer content.
func (r *rekeying) commit(tx *sasldb.Tx) error {
	r.missing, r.rekeyed = nil, rekeyed{}
	left, err := r.leftOut(tx)
	if err != nil {
		return err
	}
	for user, realm := range tx.Users() {
		if r.realms != nil && !slices.Contains(r.realms, realm) {
			continue
		}
		r.all++
		name := userName{user, realm}
		if left[name] {
			r.excepted++
			continue
		}
		err := tx.Update(name.request(), func(e verifier.Entry) (verifier.Entry, error) { return r.change(name, e) })
		if err != nil && !errors.Is(err, errUntouched) {
			return err
		}
	}
	switch {
	case len(r.missing) > 0:
		return errMissing
	case r.all == 0 && r.realms != nil:
		return no("%s: no user of realm %q", r.path, r.realms[0])
	}
	return nil
}

// leftOut are the users whom --except names. One whom the file does not have is an error:
// he is misspelt, and somebody else would lose his password.
func (r *rekeying) leftOut(tx *sasldb.Tx) (map[userName]bool, error) {
	left := map[userName]bool{}
	for _, names := range r.except {
		i := slices.IndexFunc(names, func(n userName) bool { return len(tx.User(n.user, n.realm)) > 0 })
		if i < 0 {
			return nil, noSuchUser(names[0], r.path)
		}
		left[names[i]] = true
	}
	return left, nil
}

// change decides what becomes of a user. His secrets of other kinds stay what they are.
func (r *rekeying) change(name userName, e verifier.Entry) (verifier.Entry, error) {
	if e.Disabled {
		r.disabled++
		return e, errUntouched
	}
	in := r.ingredients(name, e)
	switch {
	case in.password == "" && in.witness != nil:
		r.same++
		return e, errUntouched
	case in.password == "":
		r.bare++
		return e, errUntouched
	}
	m, made := r.made[name]
	if !made || !m.of.equal(in) {
		r.missing = append(r.missing, in)
		return e, errUntouched
	}
	if m.keys == nil {
		r.same++
	} else {
		r.rekeyed.made++
	}
	if r.noPlain {
		r.dropped++
	}
	e.Secrets = slices.DeleteFunc(e.Secrets, func(s verifier.Secret) bool {
		return s.Kind.IsSCRAM() && m.keys != nil || s.Kind == verifier.KindPassword && r.noPlain
	})
	e.Secrets = append(e.Secrets, m.keys...)
	return e, nil
}

// ingredients are what the user's keys are to be made of: those of all hashes that passwd
// --scram makes, and of what else he has.
func (r *rekeying) ingredients(name userName, e verifier.Entry) ingredients {
	in := ingredients{name: name, kinds: mech.SCRAMKinds()}
	held := map[verifier.Kind]verifier.Secret{}
	for _, s := range e.Secrets {
		held[s.Kind] = s
		if s.Kind.IsSCRAM() && !slices.Contains(in.kinds, s.Kind) {
			in.kinds = append(in.kinds, s.Kind)
		}
	}
	in.password = string(held[verifier.KindPassword].Value)
	enough := func(k verifier.Kind) bool {
		keys, err := scram.Unpack(hashOf(k), held[k].Value)
		return err == nil && keys.Iterations >= r.iterations
	}
	if !slices.ContainsFunc(in.kinds, func(k verifier.Kind) bool { return !enough(k) }) {
		in.witness = held[in.kinds[0]].Value
	}
	return in
}

// String is what is said at the end.
func (r *rekeying) String() string {
	parts := []string{fmt.Sprintf("made keys for %s of %s", counted(r.rekeyed.made, "user", "users"), quoted(r.path))}
	for _, part := range []struct {
		n         int
		one, many string
	}{
		{r.same, "had them already", "had them already"},
		{r.bare, "has no password stored", "have no password stored"},
		{r.disabled, "is disabled", "are disabled"},
		{r.excepted, "is left out", "are left out"},
		{r.dropped, "password is not stored any more", "passwords are not stored any more"},
	} {
		if part.n > 0 {
			parts = append(parts, counted(part.n, part.one, part.many))
		}
	}
	return strings.Join(parts, "; ")
}

func counted(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}
