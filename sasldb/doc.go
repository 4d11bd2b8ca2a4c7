// Package sasldb reads the database in which Cyrus SASL keeps users and their
// secrets, usually /etc/sasldb2, and makes new ones.
//
// [Open] gives a [DB], a verifier.SecretSource for a server. [Read] lists a file
// once, sound records and damage, for tools. [Create] writes a new file.
//
// # Records
//
// The database maps keys to values, whatever the library beneath it:
//
//	authid NUL realm NUL property  ->  the bytes of the property
//
// Names are compared byte by byte. The properties that serve logins are
//
//	userPassword              the password
//	cmusaslsecretCRAM-MD5     inner then outer HMAC state, 2 x 4 big-endian words
//	cmusaslsecretDIGEST-MD5   MD5(user ":" realm ":" password)
//
// A record whose key does not hold exactly two NULs is foreign: it is counted
// and left alone (Cyrus's lister loops for ever on it).
//
// # Formats
//
// The hash format of Berkeley DB is read in all its versions since 3.1 and
// written as libdb 5.3 would. GDBM and LMDB files are recognised and refused by
// name.
//
// # What is promised
//
// The file is never mapped into memory and never changed by reading it. Before
// every login the file's stamp is compared with that of the view in memory
// (device, inode, size, modification and change time); a stamp younger than two
// seconds does not count, since a second write can share it. A file that cannot
// be read whole and sound just now answers ErrUnavailable: Cyrus writes in
// place, and a view torn by that is never served.
package sasldb
