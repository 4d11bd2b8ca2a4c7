package crypt

import (
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
)

// A Hash is a stored hash, ready to check passwords with. It prints as REDACTED.
type Hash struct {
	secret.Opaque
	cost    Cost
	longest int                  // of the passwords that can match, in bytes
	check   func(pw string) bool // hashes and compares
	decoy   bool
}

// maxStored bounds a stored value, in bytes. The longest that programs write has 200.
const maxStored = 1024

// Parse reads a hash of crypt(3), one of argon2, or one with a {SCHEME} before it. The
// error is a *SyntaxError, an *UnsupportedError or a *CostError, and matches
// ErrUnusable. What is stored for a locked account or one without password ("", "!",
// "*", "x", "*LK*") is not a hash and gives a *SyntaxError.
func Parse(stored string) (*Hash, error) {
	if scheme, value, ok := SplitScheme(stored); ok {
		return ParseScheme(scheme, value)
	}
	return parseCrypt(stored)
}

// Scheme names the scheme for people: "yescrypt", "SSHA256".
func (h *Hash) Scheme() string { return h.cost.Scheme }

// Cost is what Matches costs.
func (h *Hash) Cost() Cost { return h.cost }

// Decoy returns a hash of the same Cost that no password matches, for a user who does
// not exist: it computes what h does, and then says no.
func (h *Hash) Decoy() *Hash {
	d := *h
	d.decoy = true
	return &d
}

// Matches reports whether a password is the one that was hashed. It always computes one
// hash, whatever the password.
//
// Some passwords never match: an empty one, one with a NUL, and one that is longer than
// 4,096 bytes or, in the forms of crypt(3), 511 bytes, or 72 for bcrypt. Programs that
// make hashes refuse these, or take them for the part that they see. descrypt compares
// the first 8 bytes only, and it and bsdicrypt ignore the eighth bit of each.
func (h *Hash) Matches(password string) bool {
	possible := password != "" && len(password) <= h.longest && strings.IndexByte(password, 0) < 0
	matches := h.check(password[:min(len(password), h.longest)])
	return matches && possible && !h.decoy
}
