package crypt

import (
	"crypto/fips140"
	"strings"
)

// A form is one of the forms of crypt(3) that a stored value begins to tell of.
type form struct {
	prefix string
	scheme string
	parse  func(scheme, stored string) (*Hash, error)
}

var forms = [...]form{
	{"$y$", "yescrypt", parseYescrypt},
	{"$7$", "scrypt", parseScrypt},
	{"$2a$", "bcrypt", parseBcrypt},
	{"$2b$", "bcrypt", parseBcrypt},
	{"$2y$", "bcrypt", parseBcrypt},
	{"$6$", "sha512crypt", parseSHA512Crypt},
	{"$5$", "sha256crypt", parseSHA256Crypt},
	{"$sha1$", "sha1crypt", parseSHA1Crypt},
	{"$md5$", "sunmd5", parseSunMD5},
	{"$md5,", "sunmd5", parseSunMD5},
	{"$1$", "md5crypt", parseMD5Crypt},
	{"$apr1$", "apr1", parseMD5Crypt},
	{"$3$", "nt", parseNT},
	{"$argon2id$", "argon2id", parseArgon2},
	{"$argon2i$", "argon2i", parseArgon2},
	{"_", "bsdicrypt", parseBSDiCrypt},
	{"$gy$", "$gy$", unsupported("gost-yescrypt is not supported (have the password set again, with yescrypt)")},
	{"$2x$", "$2x$", unsupported("made by a faulty bcrypt, with which different passwords have one hash (have the password set again)")},
	{"$2$", "$2$", unsupported("the first bcrypt is not supported (have the password set again)")},
	{"$argon2d$", "$argon2d$", unsupported("argon2d is not for passwords (have the password set again, with argon2id)")},
}

// inFIPS are the schemes that remain where FIPS 140 is enforced. The standard library
// panics for MD5, SHA-1 and HMAC with short keys there.
var inFIPS = map[string]bool{
	"sha256crypt": true, "sha512crypt": true, "PBKDF2-SHA256": true, "PBKDF2-SHA512": true,
	"SHA256": true, "SHA384": true, "SHA512": true, "SSHA256": true, "SSHA384": true, "SSHA512": true,
}

// allowed refuses what FIPS 140 does not allow, if it is enforced.
func allowed(h *Hash, err error) (*Hash, error) {
	if err != nil {
		return nil, err
	}
	if fips140.Enforced() && !inFIPS[h.cost.Scheme] {
		return nil, &UnsupportedError{Scheme: h.cost.Scheme, Reason: "not allowed where FIPS 140 is enforced"}
	}
	return h, nil
}

func unsupported(reason string) func(string, string) (*Hash, error) {
	return func(scheme, _ string) (*Hash, error) {
		return nil, &UnsupportedError{Scheme: scheme, Reason: reason}
	}
}

// parseCrypt reads the forms of crypt(3) and argon2's. The hash keeps a copy of what is
// stored, which may be part of a large file.
func parseCrypt(stored string) (*Hash, error) {
	if len(stored) > maxStored {
		return nil, &SyntaxError{Reason: "longer than 1024 bytes"}
	}
	if !holds(&settingByte, stored) { // crypt(5): neither blanks nor delimiters of passwd(5)
		return nil, &SyntaxError{Reason: "holds a character that no hash has"}
	}
	stored = strings.Clone(stored)
	for _, f := range forms {
		if strings.HasPrefix(stored, f.prefix) {
			return allowed(f.parse(f.scheme, stored))
		}
	}
	if strings.HasPrefix(stored, "$") {
		name, _, closed := strings.Cut(stored[1:], "$")
		if !closed {
			name = ""
		}
		return nil, &UnsupportedError{Scheme: quoted("$", name, "$"), Reason: "an unknown kind of hash"}
	}
	if len(stored) == desCryptLen && holds(&crypt64Byte, stored) {
		return allowed(parseDESCrypt("descrypt", stored))
	}
	return nil, &SyntaxError{Reason: "neither a hash of crypt(3) nor one with a {SCHEME}"}
}

// settingByte are the bytes that a hash of crypt(3) may have, as libxcrypt checks it:
// printable ASCII without the five characters that mean something in /etc/shadow.
var settingByte = set(func(b byte) bool { return 0x20 < b && b < 0x7f && strings.IndexByte("!*:;\\", b) < 0 })

func set(in func(byte) bool) (s [256]bool) {
	for i := range s {
		s[i] = in(byte(i))
	}
	return s
}

// holds reports whether all bytes of a text are in a set.
func holds(set *[256]bool, text string) bool {
	for i := range len(text) {
		if !set[text[i]] {
			return false
		}
	}
	return true
}

// number reads a decimal number of at most ten digits, without sign or leading zeros:
// all programs write theirs so, and those who check compare the text.
func number(text string) (int64, bool) {
	if text == "" || len(text) > 10 || (text[0] == '0' && text != "0") {
		return 0, false
	}
	var n int64
	for i := range len(text) {
		d := text[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	return n, true
}
