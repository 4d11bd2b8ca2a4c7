// Package mech holds the SASL mechanisms (RFC 4422), server and client side of
// each in one file, and the table that says what each of them provides and
// needs.
//
// Most programs want package saslkit, which picks mechanisms by policy, cuts
// names into users and realms and maps errors to replies. This package is for
// who writes a protocol host of a kind that saslkit does not know.
//
// A mechanism is a row, a [Mechanism]. Its NewServer method makes a [Server] whose Step
// consumes one client response and returns one [Outcome]; its NewClient makes a
// [Client]. Both are state machines of one exchange: not for concurrent use,
// never restarted, and over after the first failure. What they need to know
// about names and secrets they ask their [Backend].
//
// Passwords are prepared here with SASLprep (RFC 4013, query rules), names with it
// or with the [NameProfile] that the site chose, and nowhere else on the way to a
// verifier.
package mech
