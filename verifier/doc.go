// Package verifier says what a store of credentials can do for a mail server,
// and holds the stores and wrappers that need nothing from outside.
//
// The floor is [Verifier]: it checks one password. PAM, saslauthd and an LDAP
// bind can do that and no more, and serve PLAIN and LOGIN. A [SecretSource]
// also hands out what it stores, which the challenge-response mechanisms need,
// and a [SecretStore] can be written.
//
// What a store can serve is data, not a type: [Coverage] lists the kinds of
// secret that some and that all of its users have. A server advertises from it.
//
// # Errors
//
// Every method answers with one of a few errors, to be tested with errors.Is:
// [ErrNoUser], [ErrWrongPassword], [ErrNoSecret], [ErrDisabled], [ErrExpired],
// [ErrUnavailable]. The first three look the same to the peer in text, code,
// steps and work, and different in the log. Anything else counts as
// unavailable: temporary trouble is never a refusal.
//
// # Writing a verifier
//
// Implement the floor, or wrap a callback with [Passwords]. Take care of what
// the contract of [Verifier] says about unknown users, and run
// verifiertest.TestVerifier over it.
package verifier
