package verifiertest

import (
	"bytes"
	"maps"
	"slices"

	"github.com/saslkit/saslkit/verifier"
)

// handedOut is every kind except KindCheck.
var handedOut = slices.DeleteFunc(slices.Collect(verifier.AllKinds.All()), func(k verifier.Kind) bool { return k == verifier.KindCheck })

// secrets looks up every kind for every user and checks what is found.
func (c *check) secrets(s verifier.SecretSource) {
	for _, u := range c.users {
		c.each(s, u)
		c.ordered(s, u)
		c.owned(s, u)
		c.none(s, u)
	}
	c.strangers()
}

// each asks for one kind at a time and holds the coverage against it.
func (c *check) each(s verifier.SecretSource, u User) {
	r, coverage := u.request(), s.Coverage()
	n := name{u.Name, u.Realm}
	c.held[n] = make(map[verifier.Kind]verifier.Secret)
	for _, k := range handedOut {
		a := c.lookup(background(), s, r, k)
		switch {
		case !a.made:
			continue
		case a.found():
			kept := a.secret
			kept.Value = bytes.Clone(kept.Value)
			c.held[n][k] = kept
			c.value(u, a.secret)
			if u.locked() && !u.told(a.err) {
				c.broken(ruleLocked, r, "%v comes with %v", k, a)
			}
			if !u.locked() && a.err != nil {
				c.broken(ruleAll, r, "%v comes with %v", k, a)
			}
		case a.err == nil:
			c.broken(ruleForm, r, "%v is empty", k)
		case !a.refused():
			c.broken(ruleAll, r, "looking for %v gives %v", k, a)
		}
		if u.locked() {
			continue
		}
		if coverage.All.Has(k) && !a.found() {
			c.broken(ruleAll, r, "all have %v, but looking it up gives %v", k, a)
		}
		if !coverage.Some.Has(k) && a.found() {
			c.broken(ruleSome, r, "nobody has %v, but it is found", k)
		}
	}
}

func (c *check) kindsOf(u User) []verifier.Kind {
	return slices.Sorted(maps.Keys(c.held[name{u.Name, u.Realm}]))
}

func (c *check) value(u User, s verifier.Secret) {
	r := u.request()
	if problem := misshapen(s); problem != "" {
		c.broken(ruleForm, r, "%v: %s", s.Kind, problem)
	}
	if s.Kind == verifier.KindPassword && u.Password != "" && !verifier.MatchPassword(u.Password, s.Value) {
		c.broken(ruleOwnSecret, r, "the password looked up is not the right one")
	}
	a, ok := c.accounts[name{u.Name, u.Realm}]
	if ok && (s.Account.User != a.User || s.Account.Realm != a.Realm) {
		c.broken(ruleSameAccount, r, "%v is of account %q in realm %q, its password of %q in %q", s.Kind, s.Account.User, s.Account.Realm, a.User, a.Realm)
	}
}

// ordered asks for two kinds at a time.
func (c *check) ordered(s verifier.SecretSource, u User) {
	r, held := u.request(), c.held[name{u.Name, u.Realm}]
	for _, first := range handedOut {
		for _, second := range handedOut {
			want, ok := held[first]
			if !ok {
				want, ok = held[second]
			}
			a := c.lookup(background(), s, r, first, second)
			switch {
			case !a.made:
			case ok && (!a.found() || a.secret.Kind != want.Kind):
				c.broken(ruleOrder, r, "asked for %v, then %v: got %v, %v", first, second, a.secret.Kind, a)
			case !ok && a.found():
				c.broken(ruleOrder, r, "asked for %v, then %v: got %v, which is not found alone", first, second, a.secret.Kind)
			}
		}
	}
}

// owned changes all that a look-up returned and asks again.
func (c *check) owned(s verifier.SecretSource, u User) {
	const mark = "verifiertest-mark"
	for _, k := range c.kindsOf(u) {
		r := u.request()
		a := c.lookup(background(), s, r, k)
		if !a.found() {
			continue
		}
		spoil([]verifier.Secret{a.secret})
		if m := a.secret.Account.Attributes; m != nil {
			for _, values := range m {
				for i := range values {
					values[i] = mark
				}
			}
			m[mark] = []string{mark}
		}
		again := c.lookup(background(), s, r, k)
		if again.made && !bytes.Equal(again.secret.Value, c.held[name{u.Name, u.Realm}][k].Value) {
			c.broken(ruleOwned, r, "%v: changing the value changed the store", k)
		}
		for key, values := range again.secret.Account.Attributes {
			if key == mark || slices.Contains(values, mark) {
				c.broken(ruleOwned, r, "%v: changing the attributes changed the store", k)
			}
		}
	}
}

// none asks for what is never handed out.
func (c *check) none(s verifier.SecretSource, u User) {
	r := u.request()
	if a := c.lookup(background(), s, r); !a.refused() {
		c.broken(ruleNothing, r, "%v", a)
	}
	if a := c.lookup(background(), s, r, verifier.KindCheck); !a.refused() {
		c.broken(ruleCheck, r, "%v", a)
	}
}

// strangers finds users with different passwords and the same secret.
func (c *check) strangers() {
	for i, u := range c.users {
		for _, w := range c.users[:i] {
			if u.Password == w.Password {
				continue
			}
			theirs := c.held[name{w.Name, w.Realm}]
			for k, s := range c.held[name{u.Name, u.Realm}] {
				if t, ok := theirs[k]; ok && bytes.Equal(s.Value, t.Value) {
					c.broken(ruleOwnSecret, u.request(), "%v is that of %v", k, w)
				}
			}
		}
	}
}

// sameSecrets looks up again what was found.
func (c *check) sameSecrets(s verifier.SecretSource, u User, rule string) {
	for k, before := range c.held[name{u.Name, u.Realm}] {
		a := c.lookup(background(), s, u.request(), k)
		if a.made && (!bytes.Equal(a.secret.Value, before.Value) || a.secret.Account.User != before.Account.User) {
			c.broken(rule, u.request(), "%v: another secret or account than before: %v", k, a)
		}
	}
}

// coverage checks the data that servers advertise from.
func (c *check) coverage(s verifier.SecretSource) {
	var nobody verifier.Request
	coverage := s.Coverage()
	if extra := coverage.All &^ coverage.Some; extra != 0 {
		c.broken(ruleCoverage, nobody, "all have %v, but not some", extra)
	}
	enabled := 0
	for _, u := range c.users {
		if u.locked() {
			continue
		}
		enabled++
		if coverage.Realms != nil && u.Realm != "" && !slices.Contains(coverage.Realms, u.Realm) {
			c.broken(ruleCounted, u.request(), "the realm is not in %q", coverage.Realms)
		}
		if _, ok := c.accounts[name{u.Name, u.Realm}]; ok && !coverage.Some.Has(verifier.KindCheck) {
			c.broken(ruleSome, u.request(), "nobody has a password check, but the right password is accepted")
		}
	}
	if coverage.Users >= 0 && coverage.Users < enabled {
		c.broken(ruleCounted, nobody, "%d users are counted, %d are known", coverage.Users, enabled)
	}
	if coverage.Users < 0 || coverage.Counts == nil {
		return
	}
	for k := range verifier.AllKinds.All() {
		n := coverage.Serving([]verifier.Kind{k})
		if coverage.Some.Has(k) != (n > 0) || coverage.All.Has(k) != (n > 0 && n == coverage.Users) {
			c.broken(ruleCoverage, nobody, "%d of %d users have %v; some have %v, all have %v", n, coverage.Users, k, coverage.Some, coverage.All)
		}
	}
}
