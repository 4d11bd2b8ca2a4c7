// Package sasldb reads and writes the database in which Cyrus SASL keeps users and
// their secrets, usually /etc/sasldb2.
//
// [Open] gives a [DB], a [verifier.SecretStore] for a server:
//
//	db, err := sasldb.Open("/etc/sasldb2")
//	auth := &saslkit.Authenticator{Verifier: db}
//
// It follows the file, so that what saslpasswd2 changes counts from the next login on,
// and may be used concurrently. For tools, [Read] lists a file once, sound records and
// damage, [Verify] looks closer, [Update] changes what is held of one user, [Edit] any
// number of records in one commit, and [Convert] makes a file of another format.
// [CheckWritable] tells at start what a change would fail at.
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
//	cmusaslsecretOTP          one-time passwords, Cyrus's text record
//	authPassword              SCRAM keys of one hash, as Cyrus reads them
//	saslkit-SCRAM-SHA-1 …     SCRAM keys of the other hashes, see scram.go
//
// A property that Cyrus does not read, "saslkit-disabled:" and the name of another
// one, keeps the secrets of a disabled user.
//
// A record whose key does not hold exactly two NULs is foreign: it is counted
// and left alone (Cyrus's lister loops for ever on it).
//
// # Formats
//
// The hash format of Berkeley DB is read in all its versions since 3.1 and written
// as libdb 5.3 would, GDBM is read and written, LMDB read, and written only as a new
// file. Other kinds of Berkeley DB files are refused by name.
//
// # What is promised
//
// The file is never mapped into memory and never changed by reading it; nothing is
// left beside it. Before every login the file's stamp (device, inode, size,
// modification and change time) is compared with that of what was read, so that what
// is acknowledged before a login counts for it; [Options] can relax that. A stamp
// younger than two seconds does not count, since a second write can share it: then
// the content is read and its digest compared, once for all logins that wait. It is
// presumed that the clock of the file system is not behind ours by as much. With GDBM on
// tmpfs, and on an overlay, no stamp counts: GDBM changes a mapping of the file, and tmpfs
// gives that no new time.
//
// What logins need is kept in memory, half to two thirds of the file's size, and the
// descriptor of the file, so that no other can get its inode number.
//
// Berkeley DB has no locks that a reader could respect, and Cyrus SASL writes in
// place. A file that looks damaged, or was written to in the last 20 ms, is read
// again a few times. If the damage stays, the last good content answers for five
// seconds, and only for users of whom the damaged file still shows just the same:
// something may have been revoked before the file was damaged. Everybody else is
// answered [verifier.ErrUnavailable], as is everybody after that, or when nothing of the file can
// be read. Nobody is refused for damage.
//
// GDBM files are read under their library's shared lock, which is awaited for a
// second. LMDB has a lock file that a reader must register in to be safe; it is left
// alone, and a file whose transactions went on meanwhile is read again.
//
// # Changes
//
// A change replaces the file with a whole new one and touches nothing of the old, so
// that readers, Cyrus's too, see either; what was deleted is not in the new file. The
// steps:
//
//  1. Symbolic links are followed, the folder is opened, and a lock file beside the
//     database keeps other writers of this package away; then the path is followed
//     again. What dead writers left is swept.
//  2. The old file is opened for reading. It must be regular, have one name only, and
//     no damage.
//  3. It is read under a read lease, which is refused while another process has it
//     open for writing and keeps such processes waiting; a GDBM file also under the
//     lock of its library.
//  4. A temporary file in the same folder, of mode 0600, gets the new content in the
//     layout of the old file (libdb opens a file twice by its name), is read back, and
//     gets owner, on Linux access control list and security label, and last the mode.
//  5. It is synced. An error of that is final.
//  6. Under lease again, the old file and the one that has its name are compared with
//     what was read. If they differ it starts over, and the change is decided again.
//  7. The new file is renamed to the name, and the folder synced.
//  8. A program that had opened the old file before that may still write to it. It is
//     given 5 seconds to finish; what it wrote is merged record by record, before our
//     change, which is decided again on top. Then the change is acknowledged.
//
// What cannot be promised: that a program which holds the old file open for writing
// for longer than that, or was doing so when we died between steps 7 and 8, is
// heard; that one which creates the first file at the same time does not replace ours;
// anything about two copies of one database. Leases are had on Linux, by root and the
// owner of the file, on local file systems; elsewhere step 6 compares without one, and
// a program that writes between it and step 7 is heard only if it is done by step 8.
package sasldb
