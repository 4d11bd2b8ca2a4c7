package crypt

import (
	"crypto/md5"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
)

// md5crypt, by Poul-Henning Kamp: $1$salt$hash, with up to 8 characters of salt, and a
// thousand rounds. Apache's differs in the prefix, which is hashed too.
const (
	md5CryptRounds = 1000
	md5CryptSalt   = 8
	md5CryptDigits = 22
)

func parseMD5Crypt(scheme, stored string) (*Hash, error) {
	prefix := stored[:strings.IndexByte(stored[1:], '$')+2]
	salt, want, _ := strings.Cut(stored[len(prefix):], "$")
	if len(salt) > md5CryptSalt {
		return nil, &SyntaxError{Scheme: scheme, Reason: "the salt is longer than 8 characters"}
	}
	if !isHash(want, md5CryptDigits) {
		return nil, notHash(scheme)
	}
	return &Hash{
		cost:    Cost{Scheme: scheme, Rounds: md5CryptRounds, Salt: len(salt)},
		longest: maxCryptPassword,
		check: func(password string) bool {
			return secret.Equal(md5Crypt([]byte(password), prefix, salt), want)
		},
	}, nil
}

// md5Crypt returns the digits of the hash.
func md5Crypt(password []byte, prefix, salt string) []byte {
	inner := md5.Sum(concat(password, []byte(salt), password))
	start := concat(password, []byte(prefix+salt))
	for n := len(password); n > 0; n -= md5.Size {
		start = append(start, inner[:min(n, md5.Size)]...)
	}
	// For each bit of the length a NUL or the first byte of the password: not what
	// was meant, but what everybody had to copy.
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			start = append(start, 0)
		} else {
			start = append(start, password[0])
		}
	}
	sum := md5.Sum(start)
	round := make([]byte, 0, 2*len(password)+len(salt)+md5.Size)
	for i := range md5CryptRounds {
		first, last := sum[:], password
		if i%2 == 1 {
			first, last = last, first
		}
		round = append(round[:0], first...)
		if i%3 != 0 {
			round = append(round, salt...)
		}
		if i%7 != 0 {
			round = append(round, password...)
		}
		sum = md5.Sum(append(round, last...))
	}
	return md5Digits(&sum)
}

// md5Digits writes an MD5 sum in the order that md5crypt and sunmd5 have in common.
func md5Digits(sum *[md5.Size]byte) []byte {
	digits := make([]byte, 0, md5CryptDigits)
	for _, group := range [...][3]int{{12, 6, 0}, {13, 7, 1}, {14, 8, 2}, {15, 9, 3}, {5, 10, 4}} {
		v := uint32(sum[group[0]]) | uint32(sum[group[1]])<<8 | uint32(sum[group[2]])<<16
		digits = appendLittle(digits, v, 4)
	}
	return appendLittle(digits, uint32(sum[11]), 2)
}

func concat(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
