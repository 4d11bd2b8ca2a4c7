package verifiertest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// Documentation addresses (RFC 5737), so that nothing is really reached.
var (
	remote = netip.MustParseAddrPort("192.0.2.1:40000")
	local  = netip.MustParseAddrPort("192.0.2.2:587")
)

// A check is one run of TestVerifier.
type check struct {
	v        verifier.Verifier
	users    []User
	patience time.Duration // for a call to return at all
	prompt   time.Duration // for a call with a cancelled context
	token    string        // makes names and passwords that nobody has

	accounts map[name]verifier.Account // what the right passwords gave
	held     map[name]map[verifier.Kind]verifier.Secret

	mu       sync.Mutex
	hidden   []string // every form of every secret that must not be printed
	ordinary string   // text in which a password may occur by chance
	findings []error
	seen     map[[2]string]bool // rule and user of the findings
	stuck    bool               // a call has not returned: no further ones are made
}

func newCheck(v verifier.Verifier, users []User) *check {
	c := &check{
		v: v, users: users, patience: time.Minute, prompt: time.Second, token: strings.ToLower(rand.Text()[:12]),
		accounts: make(map[name]verifier.Account),
		held:     make(map[name]map[verifier.Kind]verifier.Secret),
		seen:     make(map[[2]string]bool),
	}
	c.ordinary = fmt.Sprintf("%T REDACTED %v", v, errors.Join(verifier.ErrNoUser, verifier.ErrNoSecret, verifier.ErrWrongPassword,
		verifier.ErrDisabled, verifier.ErrExpired, verifier.ErrUnavailable))
	for _, u := range users {
		c.ordinary += " " + realm.Join(u.Name, u.Realm)
	}
	for _, u := range users {
		c.hide(u.Password)
	}
	c.hide(c.wrongPassword())
	return c
}

func (c *check) wrongPassword() string { return "wrong-" + c.token }

// hide adds a secret to those that must not be printed.
func (c *check) hide(secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(secret) < 4 || strings.Contains(c.ordinary, secret) || slices.Contains(c.hidden, secret) {
		return
	}
	list := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
	c.hidden = append(c.hidden, secret, list, strings.ReplaceAll(list, " ", ", "),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(secret)), "[]byte{"), "}"),
		fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprintf("%+q", secret), `"`),
		base64.RawStdEncoding.EncodeToString([]byte(secret)))
}

// shows reports whether a secret is in the text, and returns the text without it.
func (c *check) shows(text string) (clean string, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hidden {
		if strings.Contains(text, h) {
			found = true
			text = strings.ReplaceAll(text, h, "REDACTED")
		}
	}
	return text, found
}

// broken records a finding, once for each rule and user.
func (c *check) broken(rule string, r verifier.Request, format string, args ...any) {
	detail, _ := c.shows(fmt.Sprintf(format, args...))
	user := realm.Join(r.User, r.Realm)
	c.mu.Lock()
	defer c.mu.Unlock()
	if key := [2]string{rule, user}; !c.seen[key] {
		c.seen[key] = true
		c.findings = append(c.findings, &Finding{Rule: rule, User: user, Detail: detail})
	}
}

// An answer is what a call came to. Where there is none, because the call
// panicked or does not return, that is a finding already and made is false.
type answer struct {
	account verifier.Account
	secret  verifier.Secret
	err     error
	made    bool
	took    time.Duration
}

func (a answer) String() string {
	if a.err != nil {
		return fmt.Sprintf("error %q", a.err.Error())
	}
	return "success"
}

// call makes one call and checks what holds for all of them.
func (c *check) call(r verifier.Request, f func() answer) answer {
	c.mu.Lock()
	stuck := c.stuck
	c.mu.Unlock()
	if stuck {
		return answer{}
	}
	answers := make(chan answer, 1)
	start := time.Now()
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				c.broken(rulePanic, r, "panic: %v", p)
				a = answer{}
			}
			answers <- a
		}()
		a = f()
		a.made = true
	}()
	patience := time.NewTimer(c.patience)
	defer patience.Stop()
	select {
	case a := <-answers:
		a.took = time.Since(start)
		if a.err != nil {
			c.text(r, a.err)
		}
		return a
	case <-patience.C:
		c.broken(ruleReturns, r, "no answer within %v; the check ends here", c.patience)
		c.mu.Lock()
		c.stuck = true
		c.mu.Unlock()
		return answer{}
	}
}

// text checks an error as an answer and as a text.
func (c *check) text(r verifier.Request, err error) {
	answers := 0
	for _, is := range []bool{verifier.Refused(err), verifier.Terminal(err), errors.Is(err, verifier.ErrUnavailable)} {
		if is {
			answers++
		}
	}
	if answers > 1 {
		c.broken(ruleOneAnswer, r, "error %q matches several", err)
	}
	if _, found := c.shows(fmt.Sprintf("%v %+v %#v %s %q", err, err, err, err, err)); found {
		c.broken(ruleLeak, r, "a secret is in the error %q", err)
	}
	if strings.ContainsAny(r.User, "\x00\r\n") && strings.Contains(err.Error(), r.User) {
		c.broken(ruleQuoted, r, "control characters of the name are in the error %q", err)
	}
}

func (c *check) verify(ctx context.Context, r verifier.Request, password string) answer {
	a := c.call(r, func() (a answer) {
		a.account, a.err = c.v.VerifyPassword(ctx, r, password)
		return a
	})
	switch {
	case !a.made:
	case a.err == nil && a.account.User == "":
		c.broken(ruleName, r, "account without a name and no error")
	case a.err != nil && a.account.User != "":
		c.broken(ruleNoAccount, r, "account %q with %v", a.account.User, a)
	}
	return a
}

func (c *check) lookup(ctx context.Context, s verifier.SecretSource, r verifier.Request, kinds ...verifier.Kind) answer {
	given := slices.Clone(kinds)
	a := c.call(r, func() (a answer) {
		a.secret, a.err = s.LookupSecret(ctx, r, given...)
		return a
	})
	if !a.made {
		return a
	}
	c.hide(string(a.secret.Value))
	if !slices.Equal(given, kinds) {
		c.broken(ruleKinds, r, "asked for %v, the slice is now %v", kinds, given)
	}
	found := a.err == nil || verifier.Terminal(a.err) && len(a.secret.Value) > 0
	switch {
	case !found && len(a.secret.Value) > 0:
		c.broken(ruleWithheld, r, "%v, and a value of %d bytes", a, len(a.secret.Value))
	case found && a.secret.Account.User == "":
		c.broken(ruleName, r, "secret without an account")
	case found && !slices.Contains(kinds, a.secret.Kind):
		c.broken(ruleAsked, r, "got %v, asked for %v", a.secret.Kind, kinds)
	}
	return a
}

func (c *check) update(ctx context.Context, s verifier.SecretStore, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) answer {
	return c.call(r, func() answer { return answer{err: s.Update(ctx, r, change)} })
}

// found reports whether the answer holds a secret, of a locked account too.
func (a answer) found() bool {
	return a.made && (a.err == nil || verifier.Terminal(a.err)) && len(a.secret.Value) > 0
}

// refused reports whether the answer is a refusal, or was not made.
func (a answer) refused() bool { return !a.made || verifier.Refused(a.err) }

// background is the context of calls that are not about contexts.
func background() context.Context { return context.Background() }

// printing looks for secrets in the verifier itself.
func (c *check) printing() {
	c.mu.Lock()
	stuck := c.stuck // still at work, perhaps on what would be printed
	c.mu.Unlock()
	if stuck {
		return
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if _, found := c.shows(fmt.Sprintf(verb, c.v)); found {
			c.broken(ruleLeak, verifier.Request{}, "%s of the verifier, a %T, shows a secret", verb, c.v)
		}
	}
}
