package crypt

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"

	gocrypt "github.com/go-crypt/x/crypt"

	"github.com/saslkit/saslkit/internal/secret"
)

// sha-crypt, by Ulrich Drepper: $6$salt$hash or $6$rounds=N$salt$hash. The salt has up
// to 16 characters, whichever. glibc takes a longer salt, counts out of bounds and
// leading zeros, but writes the hash with what it made of them, so that such a stored
// value never matched anybody; libxcrypt refuses the counts.
const (
	shaCryptDefault = 5000
	shaCryptLeast   = 1000
	shaCryptMost    = 999_999_999
	shaCryptSalt    = 16
)

func parseSHA256Crypt(scheme, stored string) (*Hash, error) {
	return parseSHACrypt(scheme, stored[len("$5$"):], sha256.New, 43)
}

func parseSHA512Crypt(scheme, stored string) (*Hash, error) {
	return parseSHACrypt(scheme, stored[len("$6$"):], sha512.New, 86)
}

// parseSHACrypt reads what is after the prefix. The hash has so many digits.
func parseSHACrypt(scheme, text string, newHash func() hash.Hash, digits int) (*Hash, error) {
	rounds := int64(shaCryptDefault)
	if count, ok := strings.CutPrefix(text, "rounds="); ok {
		var n string
		n, text, _ = strings.Cut(count, "$")
		if rounds, ok = number(n); !ok || rounds < shaCryptLeast || rounds > shaCryptMost {
			return nil, &SyntaxError{Scheme: scheme, Reason: "rounds are not a number from 1000 to 999999999"}
		}
		if err := atMost(scheme, "rounds", rounds, maxSHACryptRounds); err != nil {
			return nil, err
		}
	}
	salt, want, _ := strings.Cut(text, "$")
	if len(salt) > shaCryptSalt {
		return nil, &SyntaxError{Scheme: scheme, Reason: "the salt is longer than 16 characters"}
	}
	if !isHash(want, digits) {
		return nil, notHash(scheme)
	}
	return &Hash{
		cost:    Cost{Scheme: scheme, Rounds: int(rounds), Salt: len(salt)},
		longest: maxCryptPassword,
		check: func(password string) bool {
			return secret.Equal(gocrypt.KeySHACrypt(newHash, []byte(password), []byte(salt), int(rounds)), want)
		},
	}, nil
}

// parseSHA1Crypt reads $sha1$rounds$salt$hash, NetBSD's: HMAC of HMAC and so on, with
// the password as key. The salt has one to some 64 digits.
func parseSHA1Crypt(scheme, stored string) (*Hash, error) {
	count, rest, _ := strings.Cut(stored[len("$sha1$"):], "$")
	salt, want, _ := strings.Cut(rest, "$")
	rounds, ok := number(count)
	if !ok {
		return nil, &SyntaxError{Scheme: scheme, Reason: "rounds are not a number"}
	}
	if salt == "" || !holds(&crypt64Byte, salt) {
		return nil, &SyntaxError{Scheme: scheme, Reason: "the salt is empty or holds a character that no salt has"}
	}
	if !isHash(want, 28) {
		return nil, notHash(scheme)
	}
	if err := atMost(scheme, "rounds", rounds, maxSHA1CryptRounds); err != nil {
		return nil, err
	}
	return &Hash{
		cost:    Cost{Scheme: scheme, Rounds: int(rounds), Salt: len(salt)},
		longest: maxCryptPassword,
		check: func(password string) bool {
			return secret.Equal(gocrypt.KeySHA1Crypt([]byte(password), []byte(salt), uint32(rounds)), want)
		},
	}, nil
}

// notHash: after the settings there is no hash, or one of another length.
func notHash(scheme string) error {
	return &SyntaxError{Scheme: scheme, Reason: "the hash after the salt is missing or malformed"}
}
