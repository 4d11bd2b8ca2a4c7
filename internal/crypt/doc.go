// Package crypt checks passwords against stored hashes: those of crypt(3), in
// /etc/shadow and htpasswd files, those that argon2's command and libraries print, and
// those with a {SCHEME} before them, as directories and Dovecot keep them.
//
//	$y$    yescrypt       $y$j9T$salt$hash                  Debian, Fedora, Kali
//	$7$    scrypt         $7$CU..../....salt$hash           libxcrypt, libsodium
//	$2b$   bcrypt         $2b$05$salthash, also $2a$ $2y$   BSD, PHP, htpasswd -B
//	$6$    sha512crypt    $6$rounds=10000$salt$hash         shadow, htpasswd -5
//	$5$    sha256crypt    $5$salt$hash                      shadow, htpasswd -2
//	$sha1$ sha1crypt      $sha1$20000$salt$hash             NetBSD
//	$md5   sunmd5         $md5,rounds=5000$salt$$hash       Solaris
//	$1$    md5crypt       $1$salt$hash                      older shadow files
//	$apr1$ apr1           $apr1$salt$hash                   htpasswd -m
//	$3$    nt             $3$$hash                          FreeBSD, Samba's hash
//	_      bsdicrypt      _ count salt hash, 20 characters  BSD
//	       descrypt       salt hash, 13 characters          Unix since 1979
//	$argon2id$, $argon2i$ $argon2id$v=19$m=65536,t=3,p=1$salt$hash
//	{SSHA256} and others  scheme.go
//
// Stored values are input, often written by other programs and sometimes by users.
// Each is parsed here, wholly and strictly, before a primitive sees any of it, and
// what a check would cost is compared with the limits in cost.go. So Matches has no
// error: whatever is wrong with a stored value is found by Parse.
//
// Nothing here makes hashes, looks anything up or keeps a state. All functions and
// methods may be called concurrently.
package crypt
