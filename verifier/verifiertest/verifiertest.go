package verifiertest

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// A User is one that the verifier under test knows. It prints as the name alone.
type User struct {
	Name     string // as in verifier.Request
	Realm    string // "" for none
	Password string // prepared, as for VerifyPassword; "" if no password is right
	Disabled bool   // the right password gives ErrDisabled
	Expired  bool   // the right password gives ErrExpired
}

// Format implements [fmt.Formatter].
func (u User) Format(f fmt.State, _ rune) { io.WriteString(f, u.quoted()) }

// LogValue implements [slog.LogValuer].
func (u User) LogValue() slog.Value { return slog.StringValue(realm.Join(u.Name, u.Realm)) }

// MarshalText keeps encoders from writing the password.
func (u User) MarshalText() ([]byte, error) { return []byte(realm.Join(u.Name, u.Realm)), nil }

func (u User) quoted() string { return fmt.Sprintf("%.80q", realm.Join(u.Name, u.Realm)) }

func (u User) request() verifier.Request {
	return verifier.Request{
		User: u.Name, Realm: u.Realm, Service: "smtp", Mechanism: "PLAIN",
		Remote: remote, Local: local,
	}
}

func (u User) locked() bool { return u.Disabled || u.Expired }

// A Finding is one breach of the contract of package verifier.
type Finding struct {
	Rule   string // the rule that was broken, as a statement of what should be
	User   string // "user@realm" that was asked for; "" if the finding is about nobody
	Detail string // what was seen, without secrets
}

// Error returns the rule, the user and what was seen, in one line.
func (f *Finding) Error() string {
	s := "verifiertest: " + f.Rule
	if f.User != "" {
		s += fmt.Sprintf(": user %.80q", f.User)
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}

// The rules. Passwords first, then secrets, then updates.
const (
	ruleReturns    = "a call returns"
	rulePanic      = "a call does not panic"
	ruleName       = "success carries a user name"
	ruleNoAccount  = "an error comes without an account"
	ruleOneAnswer  = "an error is one answer: refused, locked or unavailable"
	ruleRight      = "the right password is accepted"
	ruleLocked     = "a disabled or expired account is told after the right password"
	ruleLockedOnly = "a disabled or expired account is told only after the right password"
	ruleWrong      = "a wrong password is ErrWrongPassword"
	ruleResembling = "a password that only resembles the right one is refused"
	ruleEmpty      = "an empty password is refused"
	ruleOthers     = "another user's password is refused"
	ruleOwnAccount = "every user has an account of his own"
	ruleNobody     = "an unknown user is refused"
	ruleNames      = "a name that resembles a user's is an unknown user"
	ruleQuoted     = "a name in an error is quoted"
	ruleCancelled  = "a cancelled context gives an error that is not a refusal"
	rulePrompt     = "a cancelled context ends the call promptly"
	ruleConcurrent = "concurrent calls do not mix up users"
	ruleLeak       = "no secret is printed"

	ruleCoverage    = "coverage agrees with itself"
	ruleCounted     = "coverage counts every user"
	ruleAll         = "what all users have is found for every user"
	ruleSome        = "what no user has is found for none"
	ruleAsked       = "a secret is of a kind that was asked for"
	ruleCheck       = "what can only be checked is not handed out"
	ruleNothing     = "nothing asked, nothing handed out"
	ruleOrder       = "kinds are tried in the order asked"
	ruleKinds       = "the kinds asked for are not changed"
	ruleForm        = "a value has the form of its kind"
	ruleOwnSecret   = "a secret is the user's own"
	ruleSameAccount = "a secret has the account that its password has"
	ruleOwned       = "the caller owns the result"
	ruleWithheld    = "a refusal comes without a secret"

	ruleAdd        = "Update adds a user"
	ruleExists     = "an entry exists when the user does"
	ruleReplace    = "Update replaces all kinds in one commit"
	ruleRevoked    = "an old password is refused once Update returns"
	ruleChangeErr  = "an error of change is returned and changes nothing"
	ruleStored     = "the store keeps its own copy"
	ruleDisable    = "Update stores that an account is disabled, or says that it cannot"
	ruleLost       = "concurrent updates are not lost"
	ruleRemove     = "Update removes a user"
	ruleUntouched  = "Update leaves other users alone"
	ruleUpdateDone = "a cancelled context stores nothing"
)

// TestVerifier checks that v keeps the contract of package verifier, and knows
// the given users. It returns nil, or one error that joins a [*Finding] for each
// rule that was broken and user with whom.
//
// A SecretSource is also checked for its coverage and secrets. A SecretStore is
// also written: a user with a name that begins "verifiertest-" is added, changed
// and removed, in the realm of the first user. Nobody else is changed. A wrapper
// of what cannot be written says so with [errors.ErrUnsupported].
//
// Give at least two users, with different passwords that do not occur in ordinary
// messages: only those are searched for in errors, and in v as %v, %+v and %#v
// print it. Some twenty wrong passwords are tried for every user, so switch off
// failure delays and lock-outs. A call with a cancelled context has one second.
//
// What a hash scheme ignores is a finding too: traditional crypt(3) looks at eight
// bytes of a password and stops at a NUL.
//
// Not checked is what cannot be seen from outside: that an unknown user costs the
// same work as a wrong password. [Memory] counts it.
func TestVerifier(v verifier.Verifier, users ...User) error {
	return newCheck(v, users).run()
}

func (c *check) run() error {
	if err := c.usable(); err != nil {
		return err
	}
	c.passwords()
	c.nobody()
	source, ok := verifier.SourceOf(c.v)
	if ok {
		c.coverage(source)
		c.secrets(source)
	}
	c.cancelled()
	c.concurrent(source)
	if store, ok := c.v.(verifier.SecretStore); ok {
		c.updates(store)
		c.again(source)
	}
	c.printing()
	return errors.Join(c.findings...)
}

// usable finds mistakes in the call itself.
func (c *check) usable() error {
	if err := verifier.Validate(c.v); err != nil {
		return fmt.Errorf("verifiertest: %w", err)
	}
	if len(c.users) == 0 && verifier.CoverageOf(c.v).Users != 0 {
		return errors.New("verifiertest: no user was given, so nothing can be checked (name two with different passwords)")
	}
	seen := make(map[name]bool)
	for _, u := range c.users {
		n := name{u.Name, u.Realm}
		switch {
		case u.Name == "":
			return errors.New("verifiertest: a user without a name was given")
		case seen[n]:
			return fmt.Errorf("verifiertest: user %v was given twice", u)
		}
		seen[n] = true
	}
	return nil
}
