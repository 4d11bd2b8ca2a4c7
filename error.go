package saslkit

import "github.com/saslkit/saslkit/mech"

// An Error is why a login failed. Its text may reach the peer; the cause, found
// with [errors.Is] and [errors.As], is for the log. What each protocol replies is a
// table: [mech.Error.SMTP], [mech.Error.IMAP] and [mech.Error.POP3].
type Error = mech.Error

// An Outcome is what one step of an exchange came to.
type Outcome = mech.Outcome

// The states of an Outcome.
const (
	More   = mech.More
	Done   = mech.Done
	Failed = mech.Failed
)

// ErrExchangeOver: a step was taken after the exchange had ended.
var ErrExchangeOver = mech.ErrExchangeOver
