// Package stored reads the values in which files, directories and databases keep
// passwords, and checks passwords against them: the hashes of crypt(3), {SCHEME}values
// as LDAP directories and Dovecot have them, SCRAM records, passwords themselves. The
// verifiers of this project are built on it, and so can be one for a database of your
// own:
//
//	value, err := stored.Parse(row.Password) // unusable: the user has no secret
//	…
//	match, err := checker.Matches(ctx, value, request, password)
//
// with one [Checker] for all, which keeps expensive hashes from taking every
// processor. For a user who does not exist compute [Value.Decoy] of what most users
// have, which [Commonest] finds, or the time tells who exists. The example is a whole
// verifier.
//
// Values and Checkers may be used concurrently, and print as REDACTED.
//
// # Schemes
//
// Without a {SCHEME} a value is a hash of crypt(3): yescrypt $y$, scrypt $7$, bcrypt
// $2a$ $2b$ $2y$, sha512crypt $6$, sha256crypt $5$, sha1crypt $sha1$, Sun's $md5,
// md5crypt $1$, Apache's $apr1$, NT $3$, bsdicrypt _, descrypt; or argon2 in the form
// $argon2id$. gost-yescrypt ($gy$) is not computed, and says so.
//
// {CRYPT} and {DES-CRYPT} {MD5-CRYPT} {BLF-CRYPT} {SHA256-CRYPT} {SHA512-CRYPT} say the
// same; {MD5} {SMD5} {SHA} {SSHA} {SHA256} {SSHA256} {SHA384} {SSHA384} {SHA512}
// {SSHA512} {LDAP-MD5} {PLAIN-MD5} {PLAIN-MD4} {ARGON2I} {ARGON2ID} {PBKDF2}
// {PBKDF2-SHA1} {PBKDF2-SHA256} {PBKDF2-SHA512} are what their names say.
//
// What can be handed out, so that challenge-response mechanisms work: {PLAIN} {CLEAR}
// {CLEARTEXT} for all of them, {CRAM-MD5} and {HMAC-MD5} for CRAM-MD5, {DIGEST-MD5},
// {NTLM} (the NT hash), {SCRAM-SHA-1} {SCRAM-SHA-256} and the others, also as
// SCRAM-SHA-256$…, the form of RFC 5803. [Value.Kinds] says what a value serves.
//
// The case of a scheme does not matter. Dovecot's suffixes .HEX, .B64 and .BASE64 are
// understood. Whatever else is there is [ErrUnusable]: nobody gets in by a value that
// is not wholly understood, or that would cost seconds to check.
package stored
