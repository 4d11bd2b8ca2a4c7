package mech

import (
	"context"
	"errors"
	"log/slog"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/verifier"
)

// A SyntaxError says where a message departs from its grammar. Its fields are Message,
// which one it is ("digest-response"), Offset, in bytes from its start, and Reason. It
// never quotes the message, which may hold a password.
type SyntaxError = cursor.SyntaxError

// A Class is what the peer may know about a failure. It alone decides the reply.
type Class uint8

const (
	// Malformed: wrong by the bytes alone (grammar, encoding, order of messages,
	// a name that cannot be prepared). No verifier was asked.
	Malformed Class = iota + 1
	// Limit: over one of our limits.
	Limit
	// BadCredentials is the one outcome for an unknown user, a wrong secret, an
	// empty password, no secret of the kind; for a nonce, realm or digest-uri
	// that is not ours; for a failed channel binding.
	BadCredentials
	// NotPermitted: authenticated, but may not act as the authorization identity.
	NotPermitted
	// Disabled: the account is locked. It is told only after a correct credential.
	Disabled
	// Expired: the account or its password has. It is told only after a correct credential.
	Expired
	// MechanismUnavailable: unknown, or not offered on this connection.
	MechanismUnavailable
	// TooWeak: the policy asks for more than the mechanism provides.
	TooWeak
	// EncryptionRequired: offered only under TLS.
	EncryptionRequired
	// Unavailable: a store could not answer, or broke its contract. Never a
	// refusal.
	Unavailable
	// Cancelled: the peer or the context ended the exchange.
	Cancelled
	// ServerNotVerified is the client's: the server did not prove itself.
	ServerNotVerified
	// ServerRefused is the client's: the server said no within the mechanism.
	ServerRefused
)

var classTexts = [...]string{
	Malformed:            "malformed message",
	Limit:                "message too long",
	BadCredentials:       "authentication failed",
	NotPermitted:         "not permitted to act as the requested identity",
	Disabled:             "account is disabled",
	Expired:              "account or password has expired",
	MechanismUnavailable: "mechanism is not available",
	TooWeak:              "mechanism is too weak",
	EncryptionRequired:   "encryption required for the requested mechanism",
	Unavailable:          "temporary authentication failure",
	Cancelled:            "authentication cancelled",
	ServerNotVerified:    "the server did not prove its identity",
	ServerRefused:        "the server refused",
}

// String returns a text that is safe to show to the peer.
func (c Class) String() string {
	if c == 0 || int(c) >= len(classTexts) {
		return "authentication error"
	}
	return classTexts[c]
}

// An Error is why an exchange failed. Its text is that of its class and holds
// nothing about users, secrets or stores, so that it may reach the peer; the
// cause is for the log, through [errors.Is], [errors.As], Detail or LogValue.
type Error struct {
	Class Class
	Code  string // finer than the class, such as "empty-password"; for logs and tests
	Err   error  // the cause, nil if the code says it all; never holds a secret
}

// Error returns the text of the class.
func (e *Error) Error() string { return "sasl: " + e.Class.String() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes every error of class Unavailable match [verifier.ErrUnavailable], whatever a
// store returned: a Guard must not count trouble of ours as a guess.
func (e *Error) Is(target error) bool {
	return target == verifier.ErrUnavailable && e.Class == Unavailable
}

// LogValue shows class, code and cause: for the log, not for the peer.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("class", e.Class.String()), slog.String("code", e.Code)}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", e.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

// Detail returns code and cause in one line: for the log, not for the peer.
func (e *Error) Detail() string {
	if e.Err == nil {
		return e.Code
	}
	return e.Code + ": " + e.Err.Error()
}

// Detailed returns an error that is e and says the cause in its text too: for who is
// not the peer of a server, such as a client or a test.
func (e *Error) Detailed() error { return &detailed{e} }

type detailed struct{ e *Error }

func (d *detailed) Error() string {
	if d.e.Err == nil {
		return d.e.Error() + ": " + d.e.Code
	}
	return d.e.Error() + ": " + d.e.Err.Error()
}

func (d *detailed) Unwrap() error { return d.e }

// ErrExchangeOver: a step was taken after the exchange had ended.
var ErrExchangeOver = errors.New("mech: exchange is over")

func malformed(code string, err error) *Error { return &Error{Class: Malformed, Code: code, Err: err} }

func refused(code string) *Error { return &Error{Class: BadCredentials, Code: code} }

// AsError turns what a verifier or backend returned into an Error. Whatever is
// not a known refusal is temporary trouble, of class [Unavailable]; nil is too, for it is
// no success.
func AsError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, verifier.ErrUnavailable):
		return &Error{Class: Unavailable, Code: "unavailable", Err: err}
	case verifier.Refused(err):
		return &Error{Class: BadCredentials, Code: "bad-credentials", Err: err}
	case errors.Is(err, verifier.ErrDisabled):
		return &Error{Class: Disabled, Code: "disabled", Err: err}
	case errors.Is(err, verifier.ErrExpired):
		return &Error{Class: Expired, Code: "expired", Err: err}
	case errors.Is(err, verifier.ErrNotPermitted):
		return &Error{Class: NotPermitted, Code: "authz-denied", Err: err}
	case errors.Is(err, verifier.ErrThrottled):
		return &Error{Class: Unavailable, Code: "throttled", Err: err}
	case errors.Is(err, context.Canceled):
		return &Error{Class: Cancelled, Code: "cancelled", Err: err}
	}
	return &Error{Class: Unavailable, Code: "unavailable", Err: err}
}
