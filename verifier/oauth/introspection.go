package oauth

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/saslkit/saslkit/internal/breaker"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// maxToken bounds a token, in bytes.
const maxToken = 16 << 10

// IntrospectionOptions say whom to ask about tokens, and which of them are good here. They
// print as REDACTED.
type IntrospectionOptions struct {
	secret.Opaque
	Checks
	// URL is the endpoint: https, or http on a loopback address.
	URL string
	// ClientID and ClientSecret are how we authenticate to it (RFC 6749 section 2.3.1).
	ClientID, ClientSecret string
	// Bearer is a token to authenticate with instead.
	Bearer string
	// Timeout is how long an answer may take: 0, or more than 5 s, means 5 s.
	Timeout time.Duration
	// Remember is how long a good token is remembered, counted from the question and at
	// most until it expires: 0 means not at all, more than 5 minutes means 5. For so long
	// a revocation is overlooked.
	Remember time.Duration
	// TLS is for https; nil: the authorities of the system.
	TLS *tls.Config
}

// Introspection asks the authorization server about each token (RFC 7662). After some
// questions that were not answered it is not asked for some seconds. There are at most 32
// connections to it. It may be used concurrently.
type Introspection struct {
	checks   Checks
	endpoint *endpoint
	timeout  time.Duration
	breaker  breaker.Breaker
	memory   *memory
	now      func() time.Time
}

var _ verifier.TokenVerifier = (*Introspection)(nil)

// NewIntrospection checks the options. It does not ask anything yet. The error says which
// option is missing or contradicts another.
func NewIntrospection(o IntrospectionOptions) (*Introspection, error) {
	e, err := newEndpoint("introspection", o.URL, o.TLS)
	if err != nil {
		return nil, err
	}
	v := &Introspection{checks: o.Checks, endpoint: e, timeout: o.Timeout, memory: newMemory(o.Remember), now: time.Now}
	if v.timeout <= 0 || v.timeout > longest {
		v.timeout = longest
	}
	switch {
	case o.Bearer != "" && o.ClientID != "":
		return nil, errors.New("oauth: introspection: Bearer and ClientID exclude each other")
	case o.ClientID == "" && o.ClientSecret != "":
		return nil, errors.New("oauth: introspection: ClientSecret without ClientID")
	case o.Bearer != "":
		e.header.Set("Authorization", "Bearer "+o.Bearer)
	case o.ClientID != "":
		// Both are encoded before they are joined, which net/http's own way is not.
		pair := url.QueryEscape(o.ClientID) + ":" + url.QueryEscape(o.ClientSecret)
		e.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return v, nil
}

// String says whom it asks.
func (v *Introspection) String() string { return "introspect:" + v.endpoint.url }

// Close closes idle connections.
func (v *Introspection) Close() error {
	v.endpoint.close()
	return nil
}

// VerifyToken implements [verifier.TokenVerifier]. A refusal is a *[verifier.TokenError]
// with the scopes and the configuration of the [Checks]; what the endpoint does not
// answer, or not so that it can be understood, matches [verifier.ErrUnavailable].
func (v *Introspection) VerifyToken(ctx context.Context, _ verifier.Request, token string) (verifier.Account, error) {
	if err := v.checks.sized(token); err != nil {
		return verifier.Account{}, err
	}
	if err := ctx.Err(); err != nil {
		return verifier.Account{}, fmt.Errorf("oauth: %s: %w: %w", v.endpoint.url, verifier.ErrUnavailable, err)
	}
	hash, asked := v.memory.hash(token), v.now()
	if user, ok := v.memory.user(hash, asked); ok {
		return verifier.Account{User: user}, nil
	}
	text, err := v.ask(ctx, token)
	if err != nil {
		return verifier.Account{}, err
	}
	account, expires, err := v.judge(text)
	if err == nil {
		v.memory.keep(hash, account.User, asked, expires)
	}
	return account, err
}

// judge is what an answer comes to, and when the token expires if that is said.
func (v *Introspection) judge(text []byte) (a verifier.Account, expires time.Time, err error) {
	active, said, err := parseAnswer(text)
	switch {
	case err != nil:
		return verifier.Account{}, time.Time{}, fmt.Errorf("oauth: %s: %w: %w", v.endpoint.url, verifier.ErrUnavailable, err)
	case !active:
		return verifier.Account{}, time.Time{}, v.checks.invalid("the token is not active")
	}
	if err := v.checks.fits(&said, v.now()); err != nil {
		return verifier.Account{}, time.Time{}, err
	}
	a, err = v.checks.account(&said, "username")
	return a, said.expires, err
}

// maxAnswer bounds the answer about a token, in bytes.
const maxAnswer = 64 << 10

func (v *Introspection) ask(ctx context.Context, token string) ([]byte, error) {
	done, err := v.breaker.Ask()
	if err != nil {
		return nil, fmt.Errorf("oauth: %s: %w: %w", v.endpoint.url, verifier.ErrUnavailable, err)
	}
	failed := true
	defer func() { done(failed) }()
	limited, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	text, err := v.endpoint.ask(limited, url.Values{"token": {token}, "token_type_hint": {"access_token"}}, maxAnswer)
	failed = err != nil && ctx.Err() == nil // that the caller gave up is not the server's failure
	return text, err
}

var errAnswer = errors.New("the answer is no JSON object that says whether the token is active")

// parseAnswer reads an answer (RFC 7662 section 2.2). Of a token that is not active
// nothing more is read.
func parseAnswer(b []byte) (active bool, said claims, err error) {
	var answer struct {
		Active *bool `json:"active"`
	}
	if json.Unmarshal(b, &answer) != nil || answer.Active == nil {
		return false, claims{}, errAnswer
	}
	if !*answer.Active {
		return false, claims{}, nil
	}
	if said, err = parseClaims(b); err != nil {
		return false, claims{}, err
	}
	return true, said, nil
}
