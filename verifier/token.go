package verifier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/saslkit/saslkit/internal/secret"
)

// A TokenVerifier checks bearer tokens for OAUTHBEARER and XOAUTH2. Package oauth has
// some that ask an authorization server, or check signatures. Its methods may be called
// concurrently.
type TokenVerifier interface {
	// VerifyToken returns the account that the token was issued for. r.User is
	// what the client said, possibly empty, and decides nothing: the caller
	// compares. A refusal is a *TokenError; trouble matches ErrUnavailable.
	//
	// An Account without a Realm may carry a whole name, user@realm: it is then
	// prepared and cut as a name that a client sends.
	//
	// An empty token asks what would be accepted, and is always refused.
	VerifyToken(ctx context.Context, r Request, token string) (Account, error)
}

// What a client may know about a refused token (RFC 6750 section 3.1).
const (
	TokenInvalid      = "invalid_token"      // expired, revoked, made up, not for this service
	TokenInsufficient = "insufficient_scope" // good, but not for this
)

// A TokenError is a refused token together with what RFC 7628 section 3.2.2 lets
// the client know, so that it can get a better one.
type TokenError struct {
	Status        string // TokenInvalid, TokenInsufficient, …; "" means TokenInvalid
	Scope         string // scopes that would be accepted, separated by spaces; "" for none
	Configuration string // URL of the OpenID provider's configuration; "" for none
}

// Error quotes the status: in a client it is what the server said.
func (e *TokenError) Error() string {
	if e.Status == "" {
		return "verifier: token refused"
	}
	return fmt.Sprintf("verifier: token refused: %.64q", e.Status)
}

// ErrToken: the token is not accepted. Every TokenError matches it.
var ErrToken = errors.New("verifier: token is not accepted")

// Unwrap makes every TokenError match ErrToken.
func (e *TokenError) Unwrap() error { return ErrToken }

// StaticTokens is a TokenVerifier in memory: token to user, or to user@realm. It must not
// be changed once it is in use. It prints as REDACTED.
type StaticTokens map[string]string

var _ TokenVerifier = StaticTokens(nil)

// VerifyToken implements TokenVerifier. All tokens are compared, so that the time does
// not tell how much of one was right.
func (s StaticTokens) VerifyToken(ctx context.Context, _ Request, token string) (Account, error) {
	if err := ctx.Err(); err != nil {
		return Account{}, fmt.Errorf("verifier: tokens: %w: %w", ErrUnavailable, err)
	}
	found := ""
	for t, user := range s {
		if secret.Equal(t, token) && token != "" {
			found = user
		}
	}
	if found == "" {
		return Account{}, &TokenError{Status: TokenInvalid}
	}
	return Account{User: found}, nil
}

// Format implements [fmt.Formatter].
func (s StaticTokens) Format(f fmt.State, _ rune) { io.WriteString(f, secret.Redacted) }

// LogValue implements [slog.LogValuer].
func (s StaticTokens) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// MarshalText keeps encoders from writing the tokens.
func (s StaticTokens) MarshalText() ([]byte, error) { return []byte(secret.Redacted), nil }
