package crypt

import (
	"strings"

	"github.com/go-crypt/x/yescrypt"
	"golang.org/x/crypto/scrypt"

	"github.com/saslkit/saslkit/internal/secret"
)

const (
	scryptSize   = 32 // bytes of output
	scryptDigits = 43 // the same in crypt64

	scryptLeastLogN = 2 // libxcrypt refuses less
	// scryptMaxSalt is in digits. libxcrypt takes some more, up to the 384 bytes that
	// all its output may have; libsodium's salts have 43.
	scryptMaxSalt   = 256
	yescryptMaxSalt = 64 // bytes
)

// parseScrypt reads $7$, a digit for log2 N, five each for r and p, the salt, which is
// hashed as it stands here and may have '$' in it, and $hash.
func parseScrypt(scheme, stored string) (*Hash, error) {
	const settings = len("$7$N") + 5 + 5
	end := strings.LastIndexByte(stored, '$')
	setting, want := stored[:end], stored[end+1:]
	if !isHash(want, scryptDigits) {
		return nil, notHash(scheme)
	}
	if len(setting) < settings || len(setting) > settings+scryptMaxSalt ||
		!holds(&crypt64Byte, setting[3:settings]) || !holds(&crypt64Byte, strings.ReplaceAll(setting[settings:], "$", "")) {
		return nil, &SyntaxError{Scheme: scheme, Reason: "the settings or the salt are malformed"}
	}
	logN, r, p := crypt64Value[setting[3]], int64(little(setting[4:9])), int64(little(setting[9:14]))
	cost, err := scryptCost(scheme, int64(logN), r, p)
	if err != nil {
		return nil, err
	}
	salt := []byte(setting[settings:])
	cost.Salt = len(salt)
	return &Hash{
		cost:    cost,
		longest: maxCryptPassword,
		check: func(password string) bool {
			key, err := scrypt.Key([]byte(password), salt, cost.Rounds, cost.Block, cost.Lanes, scryptSize)
			return err == nil && secret.Equal(yescrypt.Encode64(key), want)
		},
	}, nil
}

// parseYescrypt reads $y$, the flavour, log2 N and r in digits of varying number, $salt$
// and the hash. Only the flavour that everybody uses, j, is known here, and none of the
// settings that may follow r.
func parseYescrypt(scheme, stored string) (*Hash, error) {
	fields := strings.Split(stored[len("$y$"):], "$")
	if len(fields) != 3 || !isHash(fields[2], scryptDigits) {
		return nil, notHash(scheme)
	}
	settings, want := fields[0], fields[2]
	rest, isJ := strings.CutPrefix(settings, "j")
	logN, rest, okN := variable(rest, 1)
	r, rest, okR := variable(rest, 1)
	switch {
	case !holds(&crypt64Byte, settings) || settings == "":
		return nil, &SyntaxError{Scheme: scheme, Reason: "the settings are malformed"}
	case !isJ:
		return nil, &UnsupportedError{Scheme: scheme, Reason: "only the flavour j is supported (have the password set again)"}
	case !okN || !okR:
		return nil, &SyntaxError{Scheme: scheme, Reason: "the settings are malformed"}
	case rest != "":
		return nil, &UnsupportedError{Scheme: scheme, Reason: "settings beyond N and r are not supported (have the password set again)"}
	}
	salt := yescrypt.Decode64([]byte(fields[1]))
	if salt == nil || len(salt) > yescryptMaxSalt {
		return nil, &SyntaxError{Scheme: scheme, Reason: "the salt is malformed or longer than 64 bytes"}
	}
	cost, err := scryptCost(scheme, logN, r, 1)
	if err != nil {
		return nil, err
	}
	cost.Salt = len(salt)
	return &Hash{
		cost:    cost,
		longest: maxCryptPassword,
		check: func(password string) bool {
			key, err := yescrypt.Key([]byte(password), salt, cost.Rounds, cost.Block, 1, scryptSize)
			return err == nil && secret.Equal(yescrypt.Encode64(key), want)
		},
	}, nil
}

// scryptCost checks what the two have in common: 128·N·r bytes of memory, all of which
// is gone over p times, and 128·r·p bytes beside it.
func scryptCost(scheme string, logN, r, p int64) (Cost, error) {
	if logN < scryptLeastLogN || logN > 63 || r < 1 || p < 1 {
		return Cost{}, &SyntaxError{Scheme: scheme, Reason: "N, r or p is out of bounds"}
	}
	const kib = 1024 / 128
	n := int64(1) << min(logN, 32) // 2^32 is beyond the limit with any r
	for _, err := range [...]error{
		atMost(scheme, "r", r, maxScryptBlock),
		atMost(scheme, "p", p, maxScryptLanes),
		atMost(scheme, "memory in KiB", n*r/kib, maxScryptMemory),
		atMost(scheme, "N·r·p", n*r*p, maxScryptWork),
	} {
		if err != nil {
			return Cost{}, err
		}
	}
	return Cost{Scheme: scheme, Rounds: int(n), Block: int(r), Lanes: int(p), Memory: int(n * r / kib)}, nil
}

// variable reads a number of yescrypt's. The first digit says how many follow: those
// below 48 stand alone, half of those that are left have one more, and so on.
func variable(text string, least int64) (n int64, rest string, ok bool) {
	if text == "" || crypt64Value[text[0]] > 63 {
		return 0, "", false
	}
	first := int64(crypt64Value[text[0]])
	n = least
	start, end, bits := int64(0), int64(47), 0
	for first > end {
		n += (end + 1 - start) << bits
		start, end = end+1, end+1+(62-end)/2
		bits += 6
	}
	n += (first - start) << bits
	more := bits / 6
	if len(text) < 1+more {
		return 0, "", false
	}
	for i := range more {
		n += int64(crypt64Value[text[1+i]]) << (bits - 6*(i+1))
	}
	return n, text[1+more:], true
}
