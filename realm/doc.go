// Package realm turns the name that a client sent into a user and a realm.
//
// A realm is the second half of a sasldb key, and of the name that a mail
// address looks like. Sites differ in who may name one and where a name is cut,
// and Cyrus SASL itself cuts at the first '@' for sasldb and SQL and at the
// last for saslauthd. All of it is decided here, once, by a [Policy]: verifiers
// get names that are cut already.
//
// A site with one domain sets [Policy.Default]:
//
//	realm.Policy{Default: "example.com"}
//
// Then alice and alice@example.com are one user, and who names another realm is
// nobody. One that serves several domains lists them in [Policy.Others]. One whose
// users are called by whole addresses, or have no realms at all, as with PAM,
// takes the zero Policy.
//
// A server has its policy in the PeerConfig of package saslkit, or in the Site of
// package daemon.
//
// # Traps
//
// Realms are compared byte by byte, with whatever the store has: a realm
// "Example.com" in a sasldb is another than "example.com". The name has been
// prepared before it is cut, and with the profile that folds case the realms here
// are spelled in lower case.
//
// A name with two '@' is refused, unless [CyrusFirstAt] or [CyrusLastAt] says
// which of them counts: two programs that disagree about that let one user in as
// another.
//
// Nothing here keeps state: everything may be used concurrently.
package realm
