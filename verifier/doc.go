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
// Other questions are other interfaces: a [TokenVerifier] says whose a bearer token
// is, an [Authorizer] who may act as whom, and a [Guard] slows guessing down.
//
// # Stores
//
// The packages beside this one are stores: sasldb, passwdfile, shadow, sql and ldap
// hold users; saslauthd, pwcheck, pam and dovecot ask somebody who does; oauth looks
// at tokens. Here are [Static], for tests and a handful of users, and [Passwords],
// which makes a store of one callback. They are put together:
//
//   - [Chain] asks several in turn.
//   - [Cache] remembers for seconds whose password was right.
//   - [MapRealm] asks for users of one realm in another.
//   - [Transition] makes SCRAM keys for users of whom a store can only check passwords.
//   - [NewThrottle] makes the Guard.
//
// # Errors
//
// Every method answers with one of a few errors, to be tested with [errors.Is]:
// [ErrNoUser], [ErrWrongPassword], [ErrNoSecret], [ErrDisabled], [ErrExpired],
// [ErrUnavailable]. The first three look the same to the peer in text, code,
// steps and work, and different in the log. Anything else counts as
// unavailable: temporary trouble is never a refusal. [Refused], [Terminal] and
// [Answered] sort them for who wraps a verifier.
//
// # Writing a verifier
//
// Implement the floor, or wrap a callback with [Passwords]. Take care of what
// the contract of [Verifier] says about unknown users, and run TestVerifier of package
// verifiertest over it. The example of Verifier is a whole one; that of package stored
// is one that keeps hashes.
//
// Methods are called from many goroutines, one for each connection, and must end
// with their context. A panic is a failure of one login.
//
// # Compatibility
//
// As package saslkit has it. So a [Verifier] is not asked for a new method one day: what
// verifiers need not do is another interface, and what they may want to know is a field
// of [Request].
package verifier
