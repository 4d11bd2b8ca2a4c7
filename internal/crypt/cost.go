package crypt

import (
	"fmt"
	"strings"
)

// What one check may cost. At its limit each takes one to six seconds of one core of
// a server of 2025, which is more than any site asks of its users, and less than would
// let a single entry stop a server that checks a few passwords at a time.
const (
	maxSHACryptRounds  = 5_000_000 // the format allows 999,999,999; the default is 5,000
	maxSHA1CryptRounds = 5_000_000 // the format allows 2^32; the default is 262,144
	maxSunMD5Rounds    = 2_000_000 // the format allows 2^32; mkpasswd's are under 110,000
	maxPBKDF2Rounds    = 5_000_000 // OWASP's advice for SHA-1 was 1,300,000 in 2023
	maxBcryptCost      = 16        // the format allows 31; the default is 5 to 12, and each step doubles
	maxArgon2Memory    = 256 << 10 // KiB; the default of argon2 libraries is 64 MiB
	maxArgon2Passes    = 16
	maxArgon2Lanes     = 16
	maxScryptMemory    = 256 << 10 // KiB; mkpasswd's defaults are 16 MiB and 64 MiB, its costs 10 and 11 are beyond
	maxScryptWork      = 1 << 23   // N·r·p: four times over all the memory allowed
	maxScryptLanes     = 1 << 10   // p; each has its own blocks beside the memory, 128·r bytes
	maxScryptBlock     = 1 << 10   // r
)

// bsdicrypt needs no limit: its format ends at 2^24-1 rounds.

// The longest passwords that can match, in bytes. A longer one is cut before it is
// hashed, so that it costs no more than these, and is then refused.
const (
	maxPassword = 4096
	// maxCryptPassword is that of the forms of crypt(3): libxcrypt refuses 512 bytes
	// and more. Some of them hash the whole password in each round, so that a long
	// one would multiply what the limits on rounds allow.
	maxCryptPassword = 511
	// maxBcryptPassword: bcrypt sees no more than 72 bytes. Others cut silently; then
	// any two passwords that begin alike are one.
	maxBcryptPassword = 72
)

// A Cost is what one check costs. Hashes of equal Cost do the same work for the same
// password, whatever else differs. It can be a key of maps and tells no secret. What
// does not apply to a scheme is 0.
type Cost struct {
	Scheme string
	Rounds int // hashes in a row; N of scrypt and yescrypt, 2^cost of bcrypt, t of argon2
	Block  int // r of scrypt and yescrypt
	Lanes  int // p of scrypt and argon2
	Memory int // KiB, where it is meant to be much
	Salt   int // bytes of salt
	Size   int // bytes of output, where it can be chosen
}

// String is for people: "sha512crypt, 5000 rounds".
func (c Cost) String() string {
	parts := []string{c.Scheme}
	for _, p := range []struct {
		value int
		name  string
	}{{c.Rounds, "rounds"}, {c.Block, "block"}, {c.Lanes, "lanes"}, {c.Memory, "KiB"}, {c.Salt, "bytes of salt"}, {c.Size, "bytes of output"}} {
		if p.value > 0 {
			parts = append(parts, fmt.Sprint(p.value, " ", p.name))
		}
	}
	return strings.Join(parts, ", ")
}

// atMost is nil or the *CostError for a value above its limit.
func atMost(scheme, setting string, value, limit int64) error {
	if value > limit {
		return &CostError{Scheme: scheme, Setting: setting, Value: value, Limit: limit}
	}
	return nil
}
