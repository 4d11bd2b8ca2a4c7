package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/saslkit/saslkit/verifier"
)

// Checks say which tokens are for this service, and whose they are.
type Checks struct {
	// UserClaim is where the user's name stands: "sub", "email", "preferred_username",
	// "username" or what the provider has. "" means "sub" in a JWT and "username" in an
	// answer about a token. The name is cut and prepared as one that a client sends.
	UserClaim string
	// Issuer is what "iss" must be. "" with introspection: it is not looked at.
	Issuer string
	// Audiences are the names of this service, one of which must be in "aud". None with
	// introspection: it is not looked at.
	Audiences []string
	// Scopes must all be in "scope" (or "scp", as Microsoft has it).
	Scopes []string
	// Configuration is the URL of the provider's configuration, which clients are told
	// with a refusal (RFC 7628 section 3.2.2); "" for none.
	Configuration string
}

// maxSkew is how far clocks may be apart, in time: what RFC 7519 section 4.1.4 calls "no
// more than a few minutes", and less.
const maxSkew = time.Minute

// maxName bounds the name in a token, in bytes, as names that clients send are.
const maxName = 1024

// refuse is a refusal: the status, scope and configuration for the client, the reason for
// the log.
func (c *Checks) refuse(status, format string, args ...any) error {
	told := &verifier.TokenError{Status: status, Scope: strings.Join(c.Scopes, " "), Configuration: c.Configuration}
	return fmt.Errorf("oauth: "+format+": %w", append(args, told)...)
}

func (c *Checks) invalid(format string, args ...any) error {
	return c.refuse(verifier.TokenInvalid, format, args...)
}

// sized refuses a token that is none or too long.
func (c *Checks) sized(token string) error {
	switch {
	case token == "":
		return c.invalid("no token")
	case len(token) > maxToken:
		return c.invalid("the token has more than %d bytes", maxToken)
	}
	return nil
}

// claims are what a token says, or what its issuer says about it.
type claims struct {
	issuer    string
	audiences []string
	expires   time.Time // zero: it does not say
	notBefore time.Time // zero: it does not say
	scopes    []string
	members   map[string]json.RawMessage
}

var errClaims = errors.New("expected a JSON object with claims of the right types")

// parseClaims reads an object. The error does not repeat it.
func parseClaims(b []byte) (claims, error) {
	var c claims
	if json.Unmarshal(b, &c.members) != nil || c.members == nil {
		return claims{}, errClaims
	}
	ok := c.read("iss", &c.issuer)
	ok = c.list("aud", &c.audiences) && ok
	ok = c.date("exp", &c.expires) && ok
	ok = c.date("nbf", &c.notBefore) && ok
	for _, name := range []string{"scope", "scp"} {
		var words []string
		ok = c.list(name, &words) && ok
		for _, w := range words {
			c.scopes = append(c.scopes, strings.Fields(w)...)
		}
	}
	if !ok {
		return claims{}, errClaims
	}
	return c, nil
}

// read reads a member if it is there; null is as good as absent.
func (c *claims) read(name string, v any) bool {
	raw, ok := c.members[name]
	return !ok || json.Unmarshal(raw, v) == nil
}

// list reads a text, or a list of them (RFC 7519 section 4.1.3).
func (c *claims) list(name string, list *[]string) bool {
	var one *string
	if c.read(name, &one) {
		if one != nil {
			*list = []string{*one}
		}
		return true
	}
	return c.read(name, list)
}

// date reads seconds since 1970, possibly with a fraction.
func (c *claims) date(name string, t *time.Time) bool {
	var seconds *float64
	if !c.read(name, &seconds) {
		return false
	}
	if seconds == nil {
		return true
	}
	const last = 1 << 40 // in the year 36812
	if math.IsNaN(*seconds) || *seconds < 0 || *seconds > last {
		return false
	}
	*t = time.Unix(int64(*seconds), 0)
	return true
}

// fits holds against the checks for whom and for when the token is.
func (c *Checks) fits(t *claims, now time.Time) error {
	switch {
	case c.Issuer != "" && t.issuer != c.Issuer:
		return c.invalid("the token was issued by %.200q, want %q", t.issuer, c.Issuer)
	case len(c.Audiences) > 0 && !slices.ContainsFunc(t.audiences, func(a string) bool { return slices.Contains(c.Audiences, a) }):
		return c.invalid("the token is for %.200q, want one of %q", t.audiences, c.Audiences)
	case !t.expires.IsZero() && !now.Before(t.expires.Add(maxSkew)):
		return c.invalid("the token expired at %v", t.expires.UTC().Format(time.RFC3339))
	case now.Add(maxSkew).Before(t.notBefore):
		return c.invalid("the token is not good before %v", t.notBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// account is whose a genuine token is, if it is good for what is wanted.
func (c *Checks) account(t *claims, userClaim string) (verifier.Account, error) {
	if c.UserClaim != "" {
		userClaim = c.UserClaim
	}
	var user string
	if !t.read(userClaim, &user) || !isName(user) {
		return verifier.Account{}, c.invalid("no name in the claim %q of the token", userClaim)
	}
	if userClaim == "email" && !t.verifiedEmail() {
		return verifier.Account{}, c.invalid("the email address %.200q is not verified", user)
	}
	for _, s := range c.Scopes {
		if !slices.Contains(t.scopes, s) {
			return verifier.Account{}, c.refuse(verifier.TokenInsufficient, "the token of %.200q lacks the scope %q", user, s)
		}
	}
	return verifier.Account{User: user}, nil
}

// verifiedEmail is false if the provider says that the user only claims his address.
// Some write the boolean as a text.
func (c *claims) verifiedEmail() bool {
	switch string(c.members["email_verified"]) {
	case "", "null", "true", `"true"`:
		return true
	}
	return false
}

func isName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
