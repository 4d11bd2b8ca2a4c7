package crypt

import (
	"encoding/base64"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/saslkit/saslkit/internal/secret"
)

// argon2Text is the base64 of argon2's hashes (PHC string format): without padding.
var argon2Text = base64.RawStdEncoding.Strict()

// The lengths that are taken for salts and hashes, in bytes. Programs write 8 to 16 and
// 16 to 64; a shorter hash could be matched by chance.
const (
	argon2LeastSalt, argon2MostSalt = 8, 64
	argon2LeastSize, argon2MostSize = 16, 64
)

// parseArgon2 reads $argon2id$v=19$m=65536,t=3,p=1$salt$hash, or argon2i. The settings
// come in this order and without others, as RFC 9106's program and libsodium write and
// read them.
func parseArgon2(scheme, stored string) (*Hash, error) {
	fields := strings.Split(stored, "$") // "", scheme, version, settings, salt, hash
	if len(fields) == 5 && strings.HasPrefix(fields[2], "m=") {
		return nil, &UnsupportedError{Scheme: scheme, Reason: "the version before 19 is not supported (have the password set again)"}
	}
	if len(fields) != 6 || fields[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, &SyntaxError{Scheme: scheme, Reason: "want $v=19$m=M,t=T,p=P$salt$hash"}
	}
	cost, err := argon2Cost(scheme, fields[3])
	if err != nil {
		return nil, err
	}
	salt, errSalt := argon2Text.DecodeString(fields[4])
	want, errHash := argon2Text.DecodeString(fields[5])
	if errSalt != nil || len(salt) < argon2LeastSalt || len(salt) > argon2MostSalt {
		return nil, &SyntaxError{Scheme: scheme, Reason: "the salt is not base64 of 8 to 64 bytes"}
	}
	if errHash != nil || len(want) < argon2LeastSize || len(want) > argon2MostSize {
		return nil, &SyntaxError{Scheme: scheme, Reason: "the hash is not base64 of 16 to 64 bytes"}
	}
	key := argon2.IDKey
	if scheme == "argon2i" {
		key = argon2.Key
	}
	cost.Salt, cost.Size = len(salt), len(want)
	return &Hash{
		cost:    cost,
		longest: maxPassword,
		check: func(password string) bool {
			return secret.Equal(key([]byte(password), salt, uint32(cost.Rounds), uint32(cost.Memory), uint8(cost.Lanes), uint32(len(want))), want)
		},
	}, nil
}

// argon2Cost reads m=M,t=T,p=P.
func argon2Cost(scheme, settings string) (Cost, error) {
	malformed := &SyntaxError{Scheme: scheme, Reason: "settings are not m=M,t=T,p=P"}
	fields := strings.Split(settings, ",")
	if len(fields) != 3 {
		return Cost{}, malformed
	}
	var value [3]int64
	for i, name := range [...]string{"m=", "t=", "p="} {
		text, ok := strings.CutPrefix(fields[i], name)
		if value[i], _ = number(text); !ok || value[i] < 1 {
			return Cost{}, malformed
		}
	}
	m, t, p := value[0], value[1], value[2]
	for _, err := range [...]error{
		atMost(scheme, "memory in KiB", m, maxArgon2Memory),
		atMost(scheme, "passes", t, maxArgon2Passes),
		atMost(scheme, "lanes", p, maxArgon2Lanes),
	} {
		if err != nil {
			return Cost{}, err
		}
	}
	if m < 8*p { // RFC 9106 section 3.1
		return Cost{}, &SyntaxError{Scheme: scheme, Reason: "less than 8 KiB of memory for each lane"}
	}
	return Cost{Scheme: scheme, Rounds: int(t), Lanes: int(p), Memory: int(m)}, nil
}
