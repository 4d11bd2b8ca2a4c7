// Package passwdfile checks passwords against, and hands out secrets from, a text file
// with a line for each user: an htpasswd file of Apache's, or a passwd-file of
// Dovecot's.
//
//	alice:$y$j9T$…                                          a hash of crypt(3)
//	bob:{SCRAM-SHA-256}4096,…                               a {SCHEME}value
//	carol@mail.example:{CRAM-MD5}…::::::allow_nets=10.0.0.0/8
//	dave:SCRAM-SHA-256$4096:…$…:…                           a SCRAM record of RFC 5803
//
//	db, err := passwdfile.Open("/etc/mail/users")
//
// A [DB] is a [verifier.SecretSource], and may be used concurrently. The schemes are those
// of package [stored]. A user whose password is kept in the clear
// can use every mechanism, one with SCRAM keys those of SCRAM with that hash, one with
// {CRAM-MD5} or {DIGEST-MD5} that mechanism, and everybody PLAIN and LOGIN.
//
// # Lines
//
// Fields are separated by colons: name, password, uid, gid, comment, home, shell,
// extra fields; all but the first two may be missing. A blank line, and one that
// begins with '#', says nothing.
//
// A name with an '@' is for that realm only, split at the last one; a name without is
// for every realm that the server's policy serves. A {DIGEST-MD5} hash is of the realm
// as well: it is handed out only where the name has one.
//
// Of Dovecot's extra fields these count here: allow_nets and allow_real_nets (from
// elsewhere the password is wrong), nologin (the account is disabled), user (the name
// that the account has), and nopassword, noauthenticate and fail, with which nobody
// gets in. The others are Dovecot's own affair.
//
// A user in two lines cannot log in, since programs disagree about which of them
// counts. Nor can one whose password is empty or not understood; [DB.Faults] says why.
//
// # Changes
//
// The file is followed: a change counts from the next login on. While it cannot be
// read, or is empty, or lacks the end of its last line, nobody is let in and nobody is
// refused: the answer is [verifier.ErrUnavailable]. Editors that write in place, as
// htpasswd does, are given a moment to finish; writing a new file and renaming it is
// better.
package passwdfile
