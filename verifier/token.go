package verifier

import (
	"context"
	"errors"
)

// A TokenVerifier checks bearer tokens for OAUTHBEARER and XOAUTH2. Its methods
// may be called concurrently.
type TokenVerifier interface {
	// VerifyToken returns the account that the token was issued for. r.User is
	// what the client said, possibly empty. A refusal is a *TokenError.
	VerifyToken(ctx context.Context, r Request, token string) (Account, error)
}

// A TokenError is a refused token together with what RFC 7628 section 3.2.2 lets
// the client know, so that it can get a better one.
type TokenError struct {
	Status        string // "invalid_token", "insufficient_scope", …
	Scope         string // scopes that would be accepted, separated by spaces; "" for none
	Configuration string // URL of the OpenID provider's configuration; "" for none
}

func (e *TokenError) Error() string { return "verifier: token refused: " + e.Status }

// ErrToken: the token is not accepted. Every TokenError matches it.
var ErrToken = errors.New("verifier: token is not accepted")

// Unwrap makes every TokenError match ErrToken.
func (e *TokenError) Unwrap() error { return ErrToken }
