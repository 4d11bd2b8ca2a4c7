// Package mech holds the SASL mechanisms (RFC 4422), server and client side of
// each in one file, and the table that says what each of them provides and
// needs.
//
// Most programs want package saslkit, which picks mechanisms by policy, cuts
// names into users and realms and maps errors to replies. They meet this package
// where saslkit is configured: [Policy] and [Properties] say which mechanisms are
// good enough, [Limits] and [NameProfile] how names may look, [Layers] what may
// protect a connection without TLS. Who sets passwords makes what servers store with
// [Secrets]. The rest is for who writes a protocol host of a kind that saslkit does
// not know.
//
// # Mechanisms
//
// A mechanism is a row, a [Mechanism]; [All] lists them, strongest first. Its
// NewServer method makes a [Server] whose Step consumes one client response and
// returns one [Outcome]; its NewClient makes a [Client]. Both are state machines of one
// exchange: not for concurrent use, never restarted, and over after the first failure.
// What they need to know about names and secrets they ask their [Backend].
//
// Messages are bounded before they are parsed: by [Mechanism.MaxResponse], and on the
// client's side by 9,216 bytes. Nothing here starts goroutines.
//
// # Errors
//
// What goes wrong is an [Error]: its [Class] alone decides what a peer learns, and
// [Error.SMTP], [Error.IMAP] and [Error.POP3] are the tables of replies. The cause is
// for the log.
//
// # Names and passwords
//
// Passwords are prepared here with SASLprep (RFC 4013, query rules), names with it
// or with the [NameProfile] that the site chose, and nowhere else on the way to a
// verifier. Who stores them uses [NameProfile.Prepare] and [Secrets], which prepare
// them in the same way.
//
// # Compatibility
//
// As package saslkit has it. The table gets new rows, and a row that has become too weak
// may come to be offered only by name ([Mechanism.OnlyIfNamed]).
package mech
