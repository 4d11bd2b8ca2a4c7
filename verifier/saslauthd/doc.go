// Package saslauthd checks passwords with saslauthd, the password daemon of Cyrus
// SASL, or any other that speaks its protocol.
//
//	v, err := saslauthd.New(saslauthd.Options{Socket: "/run/saslauthd/mux"})
//
// The [Client] is a [verifier.Verifier] for an Authenticator of package saslkit. Package
// daemon has the other end: a daemon of one's own for programs with libsasl2.
//
// The daemon must be reached at its socket: on Debian its folder lets in who is in
// group sasl, and a server in a chroot needs the socket inside of it (saslauthd's
// option -m). New does not look whether it is there, for servers may start before
// it; until it is, logins are answered with [verifier.ErrUnavailable].
//
// The daemon can check a password and nothing else, so it serves PLAIN and LOGIN. It
// gets the user, the realm and the service of the request. Back ends use what they
// know: PAM the service and no realm (unless saslauthd's option -r joins it to the
// user), shadow neither, sasldb the realm.
//
// # What the daemon says
//
// A yes is the text "OK", alone or followed by a space; libsasl takes every text that
// begins with it. A no is "NO" in the same way. The reasons that saslauthd 2.1.28
// and its successor give are understood where their meaning is sure (see the table in
// answer.go): who has expired or may not log in is told so only after the right
// password, and "Couldn't contact remote authentication server" is no refusal.
// Every other no is a wrong password. All else is ErrUnavailable.
//
// Some trouble cannot be told from a refusal: with the back ends sasldb and ldap the
// daemon says a bare "NO" for a missing database and a directory that is down, and
// with PAM "PAM auth error" whatever broke.
//
// # Limits
//
// Names and passwords of more than [Options.MaxField] bytes, and those with a NUL at
// which the daemon would cut them, are refused without asking. With the daemon's
// option -c it remembers passwords, for 8 hours by default: for so long an old
// password stays right, and a locked account open.
package saslauthd
