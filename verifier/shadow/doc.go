// Package shadow checks passwords against /etc/shadow, or against /etc/passwd where
// that still holds the hashes:
//
//	db, err := shadow.Open("/etc/shadow")
//
// The file is read by root and group shadow. A mail server that is neither asks
// saslauthd or PAM instead, or is made a member:
//
//	adduser mailserver shadow
//
// A [DB] is a [verifier.Verifier], for PLAIN and LOGIN: from a hash nobody can tell a
// password. Its methods may be called concurrently, and it starts no goroutines but for
// hashes that are computed. Call [DB.Faults] at start, and put [verifier.Cache] with
// [DB.Mark] around it where the same users log in many times a minute, or
// [verifier.Transition] with [DB.UserMark] to get them to SCRAM.
//
// # What counts
//
// The first line of a user, as with getspnam(3). Its hash may be of any scheme of
// package [stored] that crypt(3) or a directory knows; yescrypt is the one of Debian 12.
// An empty password field, which lets everybody in elsewhere, lets nobody in. Users
// whom nsswitch.conf brings from elsewhere are not here, nor are NIS's + and - lines.
// The realm of a request is not looked at: a host has one set of users.
//
// A hash behind '!', which usermod -L writes, is a disabled account: who knows the
// password is told so, everybody else that it is wrong. Dates are days in UTC, with
// the rules of pam_unix: an account ends on the day that its last field names; a
// password that was last changed on day 0 must be changed, which mail cannot do, so it
// has expired; one that is older than its maximum has expired too. The fields for
// warning and inactivity change nothing.
//
// # Changes
//
// The file is followed: what passwd(1) changes counts from the next login on. While it
// cannot be read, or is empty, or lacks the end of its last line, nobody is let in and
// nobody is refused: the answer is [verifier.ErrUnavailable].
package shadow
