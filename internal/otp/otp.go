// Package otp computes the one-time passwords of RFC 2289 and writes them in hex and
// as six words.
//
// A pass phrase and a seed make a series: number 0 is the hash of both, and every
// other number the hash of the one before. They are used from the highest number
// down, so that whoever sees one, or what the server keeps, which is the one used
// last, can compute those that are used up and none to come.
package otp

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"strings"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 RFC 2289 section 6.0 has it
)

// A Password is one one-time password: 64 bits, the first byte first.
type Password [8]byte

// A Hash makes a series. The zero Hash is none.
type Hash uint8

// The hashes of RFC 2289.
const (
	MD4 Hash = iota + 1
	MD5
	SHA1
)

var hashNames = [...]string{MD4: "md4", MD5: "md5", SHA1: "sha1"}

// Name is the name in challenges: "md4", "md5" or "sha1".
func (h Hash) Name() string { return hashNames[h] }

// ByName finds a hash; the case of the name does not matter.
func ByName(name string) (h Hash, ok bool) {
	for h := MD4; h <= SHA1; h++ {
		if strings.EqualFold(hashNames[h], name) {
			return h, true
		}
	}
	return 0, false
}

// Bounds of what can be asked for. The time to compute a password grows with its
// number: the last one takes some milliseconds.
const (
	MaxNumber = 9999 // four digits are what Cyrus's record has room for
	MaxSeed   = 16   // letters and digits, RFC 2289 section 6.0
)

// IsSeed reports whether s is 1 to 16 ASCII letters and digits.
func IsSeed(s string) bool {
	if len(s) < 1 || len(s) > MaxSeed {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			return false
		}
	}
	return true
}

// SameSeed reports whether two seeds make the same series: case does not matter.
func SameSeed(a, b string) bool { return strings.EqualFold(a, b) }

// Compute returns password number n, at most MaxNumber, of the series that a seed
// and a pass phrase make (RFC 2289 section 6.0). The case of the seed does not
// matter; the pass phrase is taken as it is.
func (h Hash) Compute(seed, phrase string, n int) Password {
	p := h.fold([]byte(strings.ToLower(seed) + phrase))
	for range n {
		p = h.Before(p)
	}
	return p
}

// Before returns the password that is used before p: what a server must have kept if p
// is the next one.
func (h Hash) Before(p Password) Password { return h.fold(p[:]) }

// fold hashes and lays the parts of the hash on one another, 64 bits wide (RFC 2289
// appendix A).
func (h Hash) fold(b []byte) (p Password) {
	switch h {
	case MD4:
		hash := md4.New()
		hash.Write(b)
		var room [md4.Size]byte
		return halves(hash.Sum(room[:0]))
	case MD5:
		sum := md5.Sum(b)
		return halves(sum[:])
	}
	// SHA-1's five words are big endian, and those of the password are not: so do all
	// programs, after the code in the appendix.
	sum := sha1.Sum(b)
	word := func(i int) uint32 { return binary.BigEndian.Uint32(sum[4*i:]) }
	binary.LittleEndian.PutUint32(p[:], word(0)^word(2)^word(4))
	binary.LittleEndian.PutUint32(p[4:], word(1)^word(3))
	return p
}

func halves(sum []byte) (p Password) {
	for i := range p {
		p[i] = sum[i] ^ sum[i+8]
	}
	return p
}

// Hex returns 16 lower-case digits.
func (p Password) Hex() string { return hex.EncodeToString(p[:]) }

// ParseHex reads 16 digits of either case, with blanks anywhere (RFC 2243 section 3.1).
func ParseHex(text string) (p Password, ok bool) {
	var digits [16]byte
	n := 0
	for i := range len(text) {
		switch {
		case isBlank(rune(text[i])):
			continue
		case n == len(digits):
			return Password{}, false
		}
		digits[n] = text[i]
		n++
	}
	if n < len(digits) {
		return Password{}, false
	}
	if _, err := hex.Decode(p[:], digits[:]); err != nil {
		return Password{}, false
	}
	return p, true
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' }

// checksum is the sum of all pairs of bits, of which two bits are kept.
func (p Password) checksum() uint64 {
	n := binary.BigEndian.Uint64(p[:])
	const odd = 0x5555555555555555
	return uint64(bits.OnesCount64(n&odd)+2*bits.OnesCount64(n&^odd)) & 3
}
