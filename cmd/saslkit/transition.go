package main

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/cyrusconf"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// A transitionOptions is what is to be copied from the stores that check passwords to
// the one that holds secrets, in the words of auto_transition.
type transitionOptions struct {
	what       transitionWord
	life       lifetime
	iterations int
}

func (o *transitionOptions) register(f *pflag.FlagSet) {
	f.Var(&o.what, "transition", "whoever logs in by a password is copied to --secrets: noplain, by keys of SCRAM, or yes, by his password")
	f.Var(&o.life, "transition-life", "how long such a copy is good, a `TIME` like 24h or 30d (default 24h; without an end where a user's change shows, as with shadow:FILE alone)")
}

// A transitionWord is "yes", "noplain" or "".
type transitionWord string

func (w *transitionWord) String() string { return string(*w) }
func (*transitionWord) Type() string     { return "WORD" }

// Set implements pflag.Value.
func (w *transitionWord) Set(text string) error {
	if text != "yes" && text != "noplain" {
		return usage("want yes or noplain")
	}
	*w = transitionWord(text)
	return nil
}

// A lifetime is one as auto_transition_life has it.
type lifetime time.Duration

func (l *lifetime) String() string { return "" }
func (*lifetime) Type() string     { return "TIME" }

// Set implements pflag.Value.
func (l *lifetime) Set(text string) error {
	life, err := cyrusconf.ParseLife(text)
	*l = lifetime(life)
	return err
}

// transition has whom from accepts copied to a store. It is closed with the stores, and
// before them.
func (o *opener) transition(from verifier.Verifier, to verifier.Verifier, how transitionOptions) (*verifier.Transitioning, error) {
	store, ok := verifier.StoreOf(to)
	if !ok {
		return nil, usage("%s cannot be written, so nobody can be copied to it (one that can: sasldb:FILE)", verifier.Name(to))
	}
	options := verifier.TransitionOptions{
		Life: time.Duration(how.life), Iterations: how.iterations, Observer: o.observeTransition,
	}
	if how.what == "yes" {
		options.Kinds = []verifier.Kind{verifier.KindPassword}
	}
	if marked, ok := from.(interface {
		UserMark(context.Context, verifier.Request) (string, error)
	}); ok {
		options.Mark = marked.UserMark
	}
	t, err := verifier.Transition(from, store, options)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	o.closed = append([]io.Closer{t}, o.closed...)
	if path, ok := strings.CutPrefix(verifier.Name(to), "sasldb:"); ok {
		if err := sasldb.CheckWritable(context.Background(), path); err != nil {
			o.std.say("warning: nobody is copied as long as this is so: %v", err)
		}
	}
	return t, nil
}

// observeTransition tells what became of copies.
func (o *opener) observeTransition(e verifier.TransitionEvent) {
	name := quoted(realmName(e))
	switch {
	case e.Err != nil:
		o.std.say("transition: user %s: %s: %v", name, e.Change, e.Err)
	case e.Change == verifier.CopyRemoved:
		o.std.say("transition: user %s: the copy was removed", name)
	default:
		o.std.say("transition: user %s was copied", name)
	}
}

func realmName(e verifier.TransitionEvent) string {
	if e.Realm == "" {
		return e.User
	}
	return e.User + "@" + e.Realm
}

// openTransition puts one between the stores of the command line. A --verifier that is the
// store of --secrets as well lets in by password whom only that store has.
func (o *siteOptions) openTransition(open *opener, a *saslkit.Authenticator) error {
	switch {
	case o.moving.what == "" && o.moving.life != 0:
		return usage("--transition-life needs --transition")
	case o.moving.what == "":
		return nil
	case o.secrets == "" || len(o.verifiers) == 0:
		return usage("--transition needs a --verifier to copy from, and --secrets, such as sasldb:FILE, to copy to")
	}
	var links []verifier.Verifier
	for _, spec := range o.verifiers {
		if spec == o.secrets {
			links = append(links, nil)
			continue
		}
		v, err := open.store(spec)
		if err != nil {
			return err
		}
		links = append(links, v)
	}
	t, all, err := open.between(links, a.Secrets, o.moving)
	if err != nil {
		return err
	}
	a.Verifier, a.Secrets = all, t
	return nil
}

// between makes a transition from the links that are not nil. The others stand for the
// store, where its own users are asked for.
func (o *opener) between(links []verifier.Verifier, to verifier.Verifier, how transitionOptions) (*verifier.Transitioning, verifier.Verifier, error) {
	isStore := func(v verifier.Verifier) bool { return v == nil }
	from := slices.DeleteFunc(slices.Clone(links), isStore)
	if len(from) == 0 {
		return nil, nil, usage("a transition needs another verifier than the store to copy from")
	}
	t, err := o.transition(chained(from), to, how)
	if err != nil {
		return nil, nil, err
	}
	switch at := slices.IndexFunc(links, isStore); {
	case at < 0:
		return t, t, nil
	case at == 0:
		return t, verifier.Chain(t.Own(), t), nil
	}
	return t, verifier.Chain(t, t.Own()), nil
}

// openTransition does what auto_transition says, between the methods of pwcheck_method
// and the first plugin of auxprop that can be written.
func (s *site) openTransition() error {
	links := slices.Clone(s.passwords)
	for i, method := range s.app.PwcheckMethod {
		if method == "auxprop" {
			links[i] = nil
		}
	}
	if s.app.AutoTransition == cyrusconf.NoTransition || !slices.ContainsFunc(links, func(v verifier.Verifier) bool { return v != nil }) {
		return nil // as cyrusconf has told
	}
	at := slices.IndexFunc(s.stores, s.canWrite)
	if at < 0 {
		return s.noStore()
	}
	how := transitionOptions{what: transitionWord(s.app.AutoTransition.String()), life: lifetime(s.app.AutoTransitionLife)}
	if _, set := s.app.Lines["scram_iteration_counter"]; set {
		how.iterations = s.app.ScramIterationCounter
	}
	t, all, err := s.between(links, s.stores[at], how)
	if err != nil {
		return err
	}
	if s.moving, s.stores[at] = true, t; len(s.stores) > 1 && slices.Contains(links, nil) {
		all = verifier.Chain(append([]verifier.Verifier{all}, slices.Delete(slices.Clone(s.stores), at, at+1)...)...)
	}
	s.passwords = []verifier.Verifier{all}
	return nil
}

// moves reports whether users are being copied.
func moves(a *saslkit.Authenticator) bool {
	_, ok := a.Secrets.(*verifier.Transitioning)
	return ok
}

// noStore says why there is none to copy to.
func (s *site) noStore() error {
	where, path := s.app.Where("auto_transition"), s.app.SasldbPath
	if _, err := os.Stat(path); err != nil && slices.Contains(s.plugins(), "sasldb") {
		return usage("%s: auto_transition needs a store: %w (make it, as the user that serves logins: saslkit import -f %s < /dev/null)", where, err, path)
	}
	return usage("%s: auto_transition: no plugin of auxprop_plugin can be written", where)
}

// canWrite reports whether a store is one to which users can be copied.
func (s *site) canWrite(v verifier.Verifier) bool {
	switch _, ok := v.(*sqlStore); {
	case ok:
		return s.app.SQL.Insert != "" && s.app.SQL.Update != ""
	default:
		_, ok = verifier.StoreOf(v)
		return ok
	}
}

// servingAll leaves out mechanisms that need a secret which not everybody has: who was
// not copied yet would fail with the first one that his client knows.
func servingAll(a *saslkit.Authenticator, names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		m := mech.ByName(name)
		return m.Need == mech.NeedSecret && !a.Secrets.Coverage().ServesAll(m.Secrets)
	})
}
