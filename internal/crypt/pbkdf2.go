package crypt

import (
	"crypto/pbkdf2"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
)

// PBKDF2 (RFC 8018 section 5.2), with as many bytes of output as the hash has, in
// two forms:
//
//	{PBKDF2}$1$SALT$5000$HEX         Dovecot: SHA-1, the salt as it stands there
//	{PBKDF2-SHA256}10000$SALT$HASH   OpenLDAP's module: base64 with '.' for '+', without padding
//
// OpenLDAP writes {PBKDF2} too, for SHA-1. Where FIPS 140 is enforced, passwords under
// 14 bytes, salts under 16 and rounds under 1,000 never match.

func parsePBKDF2(scheme, value string) (*Hash, error) {
	text, isDovecot := strings.CutPrefix(value, "$1$")
	if !isDovecot {
		return parseLDAPPBKDF2(scheme, value)
	}
	fields := strings.Split(text, "$")
	if len(fields) != 3 || fields[0] == "" {
		return nil, &SyntaxError{Scheme: "{" + scheme + "}", Reason: "want $1$salt$rounds$hash"}
	}
	want, err := hex.DecodeString(fields[2])
	if err != nil || len(want) != digestSHA1.size {
		return nil, &SyntaxError{Scheme: "{" + scheme + "}", Reason: "the hash is not 40 hex digits"}
	}
	return newPBKDF2(digestSHA1, fields[1], []byte(fields[0]), want)
}

// adapted is OpenLDAP's base64, once '.' is '+'.
var adapted = base64.RawStdEncoding.Strict()

// maxPBKDF2Salt is in bytes. OpenLDAP's have 16.
const maxPBKDF2Salt = 64

func parseLDAPPBKDF2(scheme, value string) (*Hash, error) {
	d := digestSHA1
	switch scheme {
	case "PBKDF2-SHA256":
		d = digestSHA256
	case "PBKDF2-SHA512":
		d = digestSHA512
	}
	fields := strings.Split(strings.ReplaceAll(value, ".", "+"), "$")
	if len(fields) != 3 || strings.ContainsAny(value, "\r\n") {
		return nil, &SyntaxError{Scheme: "{" + scheme + "}", Reason: "want rounds$salt$hash"}
	}
	salt, errSalt := adapted.DecodeString(fields[1])
	want, errHash := adapted.DecodeString(fields[2])
	if errSalt != nil || len(salt) < 1 || len(salt) > maxPBKDF2Salt {
		return nil, &SyntaxError{Scheme: "{" + scheme + "}", Reason: "the salt is not base64 of 1 to 64 bytes"}
	}
	if errHash != nil || len(want) != d.size {
		return nil, &SyntaxError{Scheme: "{" + scheme + "}", Reason: "the hash is not base64, or not as long as its digest"}
	}
	return newPBKDF2(d, fields[0], salt, want)
}

func newPBKDF2(d digest, count string, salt, want []byte) (*Hash, error) {
	scheme := "PBKDF2-" + d.name
	rounds, ok := number(count)
	if !ok || rounds < 1 {
		return nil, &SyntaxError{Scheme: scheme, Reason: "rounds are not a number from 1 on"}
	}
	if err := atMost(scheme, "rounds", rounds, maxPBKDF2Rounds); err != nil {
		return nil, err
	}
	return &Hash{
		cost:    Cost{Scheme: scheme, Rounds: int(rounds), Salt: len(salt)},
		longest: maxPassword,
		check: func(password string) bool {
			key, err := pbkdf2.Key(d.new, password, salt, int(rounds), d.size)
			return err == nil && secret.Equal(key, want)
		},
	}, nil
}
