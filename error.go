package saslkit

import "github.com/saslkit/saslkit/mech"

// An Error is why a login failed. On a server its text may reach the peer; the cause,
// found with [errors.Is] and [errors.As], is for the log: [mech.Error.Detail]. What each
// protocol replies is a table: [mech.Error.SMTP], [mech.Error.IMAP] and
// [mech.Error.POP3]. A client's errors say the cause in their text and are found with
// errors.As.
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
