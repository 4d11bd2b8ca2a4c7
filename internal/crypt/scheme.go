package crypt

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// SplitScheme cuts the {SCHEME} off a stored value: "{SSHA256.HEX}abc" is "SSHA256.HEX"
// and "abc". It is ok if there is one, known or not: 1 to 40 printable characters other
// than braces and blanks.
func SplitScheme(stored string) (scheme, value string, ok bool) {
	const longest = 40
	if !strings.HasPrefix(stored, "{") {
		return "", "", false
	}
	end := strings.IndexByte(stored, '}')
	if end < 2 || end > longest+1 || !holds(&schemeByte, stored[1:end]) {
		return "", "", false
	}
	return stored[1:end], stored[end+1:], true
}

var schemeByte = set(func(b byte) bool { return 0x20 < b && b < 0x7f && b != '{' && b != '}' })

// An encoding is how what follows a {SCHEME} is written.
type encoding uint8

const (
	asText   encoding = iota // as it is
	asBase64                 // with padding; for digests without salt hex too
	asHex
)

// A scheme is one of RFC 2307, of OpenLDAP and its modules, or of Dovecot.
type scheme struct {
	name     string
	encoding encoding
	size     int // bytes of what is encoded, if that is always the same
	parse    func(scheme, value string) (*Hash, error)
}

// The schemes. Dovecot takes any hash of crypt(3) under most of the names that end in
// CRYPT, and either argon2 under the names of both; so do we.
var schemes = [...]scheme{
	{"CRYPT", asText, 0, parseCryptScheme},
	{"DES-CRYPT", asText, 0, parseCryptScheme},
	{"MD5-CRYPT", asText, 0, only("$1$")},
	{"BLF-CRYPT", asText, 0, only("$2")},
	{"SHA256-CRYPT", asText, 0, parseCryptScheme},
	{"SHA512-CRYPT", asText, 0, parseCryptScheme},
	{"ARGON2", asText, 0, only("$argon2")}, // OpenLDAP's module
	{"ARGON2I", asText, 0, only("$argon2")},
	{"ARGON2ID", asText, 0, only("$argon2")},

	{"MD5", asText, 0, parseMD5},
	{"LDAP-MD5", asBase64, digestMD5.size, digestMD5.parse},
	{"PLAIN-MD5", asHex, digestMD5.size, digestMD5.parse},
	{"PLAIN-MD4", asHex, digestMD4.size, digestMD4.parse},
	{"SHA", asBase64, digestSHA1.size, digestSHA1.parse},
	{"SHA1", asBase64, digestSHA1.size, digestSHA1.parse},
	{"SHA256", asBase64, digestSHA256.size, digestSHA256.parse},
	{"SHA384", asBase64, digestSHA384.size, digestSHA384.parse},
	{"SHA512", asBase64, digestSHA512.size, digestSHA512.parse},
	{"SMD5", asBase64, 0, digestMD5.salted("SMD5")},
	{"SSHA", asBase64, 0, digestSHA1.salted("SSHA")},
	{"SSHA256", asBase64, 0, digestSHA256.salted("SSHA256")},
	{"SSHA384", asBase64, 0, digestSHA384.salted("SSHA384")},
	{"SSHA512", asBase64, 0, digestSHA512.salted("SSHA512")},

	{"PBKDF2", asText, 0, parsePBKDF2},
	{"PBKDF2-SHA1", asText, 0, parseLDAPPBKDF2},
	{"PBKDF2-SHA256", asText, 0, parseLDAPPBKDF2},
	{"PBKDF2-SHA512", asText, 0, parseLDAPPBKDF2},

	{"PLAIN", asText, 0, notAHash},
	{"CLEAR", asText, 0, notAHash},
	{"CLEARTEXT", asText, 0, notAHash},
	{"PLAIN-TRUNC", asText, 0, notAHash},
	{"CRAM-MD5", asText, 0, notAHash},
	{"HMAC-MD5", asText, 0, notAHash},
	{"DIGEST-MD5", asText, 0, notAHash},
	{"SCRAM-SHA-1", asText, 0, notAHash},
	{"SCRAM-SHA-256", asText, 0, notAHash},
	{"OTP", asText, 0, notAHash},
}

func notAHash(scheme, _ string) (*Hash, error) {
	return nil, &UnsupportedError{Scheme: "{" + scheme + "}", Reason: "not the hash of a password alone"}
}

// ParseScheme reads what follows a {SCHEME}. Names are compared without regard to case,
// and Dovecot's suffixes .HEX, .B64 and .BASE64 say how the value is written. Errors
// are those of Parse. For the password itself ({PLAIN} and the like) and for what other
// mechanisms derive from it ({CRAM-MD5}, {SCRAM-SHA-256}) that is an *UnsupportedError.
func ParseScheme(name, value string) (*Hash, error) {
	if len(value) > maxStored {
		return nil, &SyntaxError{Reason: "longer than 1024 bytes"}
	}
	base, suffix, suffixed := strings.Cut(name, ".")
	for _, s := range schemes {
		if !strings.EqualFold(base, s.name) {
			continue
		}
		written := s.encoding
		if suffixed {
			switch strings.ToUpper(suffix) {
			case "HEX":
				written = asHex
			case "B64", "BASE64":
				written = asBase64
			default:
				return nil, &UnsupportedError{Scheme: "{" + s.name + "}", Reason: "an unknown encoding (want .HEX, .B64 or .BASE64)"}
			}
		} else if s.size > 0 {
			written = guessed(value, s.size)
		}
		raw, ok := decode(value, written)
		if !ok {
			return nil, &SyntaxError{Scheme: "{" + s.name + "}", Reason: "neither the base64 nor the hex that it should be"}
		}
		return allowed(s.parse(s.name, raw))
	}
	return nil, &UnsupportedError{Scheme: quoted("{", base, "}"), Reason: "an unknown scheme"}
}

// guessed is how a value of so many bytes is written if nothing says it: LDAP has
// base64, and Dovecot reads hex under the same names.
func guessed(value string, size int) encoding {
	if len(value) == hex.EncodedLen(size) {
		return asHex
	}
	return asBase64
}

var strictBase64 = base64.StdEncoding.Strict()

func decode(value string, written encoding) (raw string, ok bool) {
	var b []byte
	var err error
	switch written {
	case asHex:
		b, err = hex.DecodeString(value)
	case asBase64:
		if strings.ContainsAny(value, "\r\n") { // Go's decoder skips them
			return "", false
		}
		b, err = strictBase64.DecodeString(value)
	default:
		return value, true
	}
	return string(b), err == nil
}

func parseCryptScheme(_, value string) (*Hash, error) { return parseCrypt(value) }

// only reads the forms of crypt(3) with a prefix.
func only(prefix string) func(string, string) (*Hash, error) {
	return func(scheme, value string) (*Hash, error) {
		if !strings.HasPrefix(value, prefix) {
			return nil, &SyntaxError{Scheme: "{" + scheme + "}", Reason: "a hash of another scheme, or none"}
		}
		return parseCrypt(value)
	}
}

// parseMD5 reads {MD5}: in Dovecot that is md5crypt, or the digest in hex or base64; in
// directories the digest in base64.
func parseMD5(scheme, value string) (*Hash, error) {
	if strings.HasPrefix(value, "$1$") {
		return parseCrypt(value)
	}
	raw, ok := decode(value, guessed(value, digestMD5.size))
	if !ok {
		return nil, &SyntaxError{Scheme: "{" + scheme + "}", Reason: "neither md5crypt nor the base64 or hex of a digest"}
	}
	return digestMD5.parse(scheme, raw)
}
