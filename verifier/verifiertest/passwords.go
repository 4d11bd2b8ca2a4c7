package verifiertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/saslkit/saslkit/verifier"
)

// passwords tries for every user the right password, wrong ones, ones that
// resemble it, and those of the others.
func (c *check) passwords() {
	for _, u := range c.users {
		c.right(u)
		c.wrong(u)
		c.resembling(u)
		c.refuse(u, ruleEmpty, "empty", "")
		for _, other := range c.users {
			if other.Password != u.Password && other.Password != "" {
				c.refuse(u, ruleOthers, "the password of "+other.quoted(), other.Password)
			}
		}
	}
	c.distinct()
}

func (c *check) right(u User) {
	if u.Password == "" {
		return
	}
	r := u.request()
	a := c.verify(background(), r, u.Password)
	switch {
	case !a.made:
	case u.locked():
		if !u.told(a.err) {
			c.broken(ruleLocked, r, "%v", a)
		}
	case a.err != nil:
		c.broken(ruleRight, r, "%v", a)
	default:
		c.accounts[name{u.Name, u.Realm}] = a.account
	}
}

// told reports whether err says what is the matter with a locked account.
func (u User) told(err error) bool {
	return u.Disabled && errors.Is(err, verifier.ErrDisabled) || u.Expired && errors.Is(err, verifier.ErrExpired)
}

func (c *check) wrong(u User) {
	a := c.refuse(u, ruleWrong, "wrong", c.wrongPassword())
	if u.Password != "" && a.refused() && a.made && !errors.Is(a.err, verifier.ErrWrongPassword) {
		c.broken(ruleWrong, u.request(), "%v", a)
	}
}

// refuse tries a password that is not right; what says which.
func (c *check) refuse(u User, rule, what, password string) answer {
	r := u.request()
	a := c.verify(background(), r, password)
	switch {
	case a.refused():
	case verifier.Terminal(a.err):
		c.broken(ruleLockedOnly, r, "password: %s: %v", what, a)
	default:
		c.broken(rule, r, "password: %s: %v", what, a)
	}
	return a
}

// resembling tries what is nearly the password and tells all that is not
// refused in one finding.
func (c *check) resembling(u User) {
	if u.Password == "" {
		return
	}
	near := nearly(u.Password)
	var taken []string
	for _, what := range slices.Sorted(maps.Keys(near)) {
		a := c.verify(background(), u.request(), near[what])
		switch {
		case a.refused():
		case verifier.Terminal(a.err):
			c.broken(ruleLockedOnly, u.request(), "password: %s: %v", what, a)
		default:
			taken = append(taken, fmt.Sprintf("%s: %v", what, a))
		}
	}
	if taken != nil {
		c.broken(ruleResembling, u.request(), "password: %s", strings.Join(taken, "; "))
	}
}

// nearly returns what is nearly the password, under a description.
func nearly(password string) map[string]string {
	_, first := utf8.DecodeRuneInString(password)
	_, last := utf8.DecodeLastRuneInString(password)
	all := map[string]string{
		"without its end":        password[:len(password)-last],
		"without its beginning":  password[first:],
		"with another beginning": another(password[:first]) + password[first:],
		"with another end":       password[:len(password)-last] + another(password[len(password)-last:]),
		"in another case":        swapCase(password),
		"in upper case":          strings.ToUpper(password),
		"in lower case":          strings.ToLower(password),
		"with a NUL":             password + "\x00",
		"with a NUL and more":    password + "\x00x",
		"after a NUL":            "\x00" + password,
		"with a newline":         password + "\n",
		"with one more":          password + "x",
		"twice":                  password + password,
		"much longer":            password + strings.Repeat("x", max(0, 1024-len(password))),
		"a NUL":                  "\x00",
		"a per cent sign":        "%",
		"an asterisk":            "*",
		"a quote":                "' OR '1'='1",
	}
	for what, p := range all {
		if p == password || p == "" {
			delete(all, what)
		}
	}
	return all
}

func another(s string) string {
	if s == "x" {
		return "y"
	}
	return "x"
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

// distinct finds users with different passwords in one account.
func (c *check) distinct() {
	for i, u := range c.users {
		for _, w := range c.users[:i] {
			a, ok := c.accounts[name{u.Name, u.Realm}]
			b, both := c.accounts[name{w.Name, w.Realm}]
			if ok && both && u.Password != w.Password && a.User == b.User && a.Realm == b.Realm {
				c.broken(ruleOwnAccount, u.request(), "has the account of %v", w)
			}
		}
	}
}

// nobody asks for names that are not there.
func (c *check) nobody() {
	strangers := []User{{Password: c.wrongPassword()}}
	for _, u := range append(strangers, c.users...) {
		u.Name = "verifiertest-nobody-" + c.token
		if answers := c.unknown(u); answers != "" {
			c.broken(ruleNobody, u.request(), "%s", answers)
		}
	}
	i := slices.IndexFunc(c.users, func(u User) bool { return !u.locked() && u.Password != "" })
	if i >= 0 {
		c.names(c.users[i])
	}
}

// names asks for names like that of u and tells all that are not unknown in one
// finding.
func (c *check) names(u User) {
	var known []string
	for _, n := range hostile(u) {
		stranger := u
		stranger.Name = n
		if c.given(stranger) {
			continue
		}
		if answers := c.unknown(stranger); answers != "" {
			known = append(known, stranger.quoted()+": "+answers)
		}
	}
	if known != nil {
		c.broken(ruleNames, u.request(), "%s", strings.Join(known, "; "))
	}
	if _, ok := c.accounts[name{u.Name, u.Realm}]; !ok {
		return
	}
	if a := c.verify(background(), u.request(), u.Password); a.made && a.err != nil {
		c.broken(ruleNames, u.request(), "after other names were tried the right password gives %v", a)
	}
}

func (c *check) given(u User) bool {
	for _, w := range c.users {
		if w.Name == u.Name && w.Realm == u.Realm {
			return true
		}
	}
	return false
}

// unknown asks for a user who is not there, with a password that somebody has,
// and returns the answers that are not refusals.
func (c *check) unknown(u User) string {
	r := u.request()
	var answers []string
	if a := c.verify(background(), r, u.Password); !a.refused() {
		answers = append(answers, "VerifyPassword gives "+a.String())
	}
	if s, ok := verifier.SourceOf(c.v); ok {
		if a := c.lookup(background(), s, r, handedOut...); !a.refused() {
			answers = append(answers, "LookupSecret gives "+a.String())
		}
	}
	return strings.Join(answers, ", ")
}

// hostile returns names that are not the user's, but are for a backend that
// cuts at '@' or NUL, builds a query, a filter, a pattern or a path from the
// name, or keeps part of it.
func hostile(u User) []string {
	n := u.Name
	const longest = 1024 // bytes, the limit of Request.User
	return []string{
		n + "@", "@" + n, n + "@" + u.Realm, n + "@verifiertest.invalid", n + "@" + u.Realm + "@" + u.Realm,
		n + "\x00", n + "\x00x", "\x00" + n, n + "\r\n", n + "\n", "\n" + n, n + "\r\nx",
		n + "'", n + "' OR '1'='1", n + "' --", n + `"`, n + `\`, n + "`", "%", n + "%", n + "%s%n", n + "%00", "_",
		"*", n + "*", n + ")(uid=*", n + ":", n + ":x:0:0::/:/bin/sh", "../" + n, "./" + n, "/" + n,
		n + n, n[:len(n)-1], n + strings.Repeat("x", max(1, longest-len(n))), strings.Repeat(n, longest/len(n)+1)[:max(longest, len(n))],
		n + "\xff", "",
	}
}

// cancelled makes calls whose context is over before they begin.
func (c *check) cancelled() {
	ctx, cancel := context.WithCancel(background())
	cancel()
	source, isSource := verifier.SourceOf(c.v)
	for _, u := range c.users {
		r := u.request()
		if u.Password != "" {
			c.over(r, "right password", func() answer { return c.verify(ctx, r, u.Password) }, true)
		}
		c.over(r, "wrong password", func() answer { return c.verify(ctx, r, c.wrongPassword()) }, false)
		if isSource {
			kinds := c.kindsOf(u)
			c.over(r, "look-up", func() answer { return c.lookup(ctx, source, r, kinds...) }, len(kinds) > 0)
		}
	}
}

// over checks the answer to a call with a cancelled context. What is not prompt is called
// again, for the machine may have been busy.
func (c *check) over(r verifier.Request, what string, call func() answer, present bool) {
	a := call()
	for n := 1; a.took > c.prompt && n < 3; n++ {
		a = call()
	}
	switch {
	case !a.made:
	case a.err == nil, present && (verifier.Refused(a.err) || verifier.Terminal(a.err)):
		c.broken(ruleCancelled, r, "%s: %v", what, a)
	}
	if a.took > c.prompt {
		c.broken(rulePrompt, r, "%s: took %v", what, a.took)
	}
}

// concurrent asks for the same users from several goroutines and compares with
// what they got one after the other.
func (c *check) concurrent(s verifier.SecretSource) {
	const goroutines, rounds, most = 8, 2, 16
	users := c.users[:min(len(c.users), most)]
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := range rounds * len(users) {
				u := users[(g+i)%len(users)]
				c.same(u, ruleConcurrent)
				if s != nil {
					s.Coverage()
					c.sameSecrets(s, u, ruleConcurrent)
				}
				// Not the whole of wrong: an earlier finding is not repeated here.
				a := c.verify(background(), u.request(), c.wrongPassword())
				if a.made && a.err == nil {
					c.broken(ruleConcurrent, u.request(), "wrong password: %v", a)
				}
			}
		})
	}
	all.Wait()
}

// same tries the right password again.
func (c *check) same(u User, rule string) {
	before, ok := c.accounts[name{u.Name, u.Realm}]
	if !ok {
		return
	}
	a := c.verify(background(), u.request(), u.Password)
	switch {
	case !a.made:
	case a.err != nil:
		c.broken(rule, u.request(), "right password: %v", a)
	case a.account.User != before.User || a.account.Realm != before.Realm:
		c.broken(rule, u.request(), "right password: account %q in realm %q", a.account.User, a.account.Realm)
	}
}
