package crypt

import (
	"encoding/binary"

	"github.com/saslkit/saslkit/internal/secret"
)

const (
	desCryptLen    = 13 // two digits of salt, eleven of hash
	desCryptRounds = 25
	desDigits      = 11

	bsdiCryptLen = 20 // '_', four digits of rounds, four of salt, eleven of hash
)

// parseDESCrypt reads the hash of Unix's seventh edition: zeros encrypted 25 times with
// the first eight bytes of the password, of which the eighth bit is lost. The caller
// has checked its digits.
//
// Every word of 13 letters and digits looks like one.
func parseDESCrypt(scheme, stored string) (*Hash, error) {
	salt, want := newDESSalt(little(stored[:2])), stored[2:]
	return &Hash{
		cost:    Cost{Scheme: scheme, Rounds: desCryptRounds},
		longest: maxCryptPassword,
		check: func(password string) bool {
			key := newDESKey(desBlock(password))
			return secret.Equal(desText(key.encrypt(0, salt, desCryptRounds)), want)
		},
	}, nil
}

// parseBSDiCrypt reads the hash of BSD/OS: rounds are in the hash, passwords of any
// length are folded into a key.
func parseBSDiCrypt(scheme, stored string) (*Hash, error) {
	if len(stored) != bsdiCryptLen || !holds(&crypt64Byte, stored[1:]) {
		return nil, &SyntaxError{Scheme: scheme, Reason: "not 20 characters, or one that no hash has"}
	}
	rounds, salt, want := max(1, little(stored[1:5])), newDESSalt(little(stored[5:9])), stored[9:]
	return &Hash{
		cost:    Cost{Scheme: scheme, Rounds: int(rounds)},
		longest: maxCryptPassword,
		check: func(password string) bool {
			key := foldedDESKey(password)
			return secret.Equal(desText(key.encrypt(0, salt, rounds)), want)
		},
	}, nil
}

// foldedDESKey makes the key of a password: that of its first eight bytes encrypts
// itself, and the next eight are XORed into the result for the next key.
func foldedDESKey(password string) desKey {
	block := desBlock(password)
	key := newDESKey(block)
	for len(password) > 8 {
		password = password[8:]
		block = key.encrypt(block, desSalt{}, 1) ^ desBlock(password)
		key = newDESKey(block)
	}
	return key
}

// desBlock is a key of the first eight bytes of a password, each without its eighth bit.
func desBlock(password string) uint64 {
	var b [8]byte
	for i := range min(len(password), len(b)) {
		b[i] = password[i] << 1
	}
	return binary.BigEndian.Uint64(b[:])
}

// desText writes a block in eleven digits, the most significant first.
func desText(block uint64) []byte {
	digits := make([]byte, 0, desDigits)
	for shift := 58; shift >= 4; shift -= 6 {
		digits = append(digits, crypt64[block>>shift&63])
	}
	return append(digits, crypt64[block<<2&63])
}
