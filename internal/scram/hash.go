// Package scram is the arithmetic of SCRAM (RFC 5802 section 3) and the forms in
// which programs keep the result. Messages and exchanges are package mech's.
//
//	SaltedPassword = PBKDF2(password, salt, iterations)     slow, on purpose
//	ClientKey      = HMAC(SaltedPassword, "Client Key")
//	StoredKey      = H(ClientKey)                           kept: checks the client
//	ServerKey      = HMAC(SaltedPassword, "Server Key")     kept: proves the server
//	proof          = ClientKey XOR HMAC(StoredKey, AuthMessage)
//	signature      = HMAC(ServerKey, AuthMessage)
//
// Passwords are given prepared. Nothing here looks anything up, and functions may
// be called concurrently.
package scram

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
)

// A Hash tells one SCRAM from another.
type Hash uint8

// The hashes, in the order of the kinds of secret of package verifier.
const (
	SHA1 Hash = iota
	SHA224
	SHA256
	SHA384
	SHA512
	SHA3x512

	hashEnd
)

// MaxSize is that of the longest keys, in bytes.
const MaxSize = 64

var hashes = [...]struct {
	name  string // of the mechanism
	size  int    // of its keys, in bytes
	block int    // of HMAC, in bytes
	new   func() hash.Hash
}{
	SHA1:     {"SCRAM-SHA-1", sha1.Size, sha1.BlockSize, sha1.New},                  // RFC 5802
	SHA224:   {"SCRAM-SHA-224", sha256.Size224, sha256.BlockSize, sha256.New224},    // Cyrus's
	SHA256:   {"SCRAM-SHA-256", sha256.Size, sha256.BlockSize, sha256.New},          // RFC 7677
	SHA384:   {"SCRAM-SHA-384", sha512.Size384, sha512.BlockSize, sha512.New384},    // Cyrus's
	SHA512:   {"SCRAM-SHA-512", sha512.Size, sha512.BlockSize, sha512.New},          // draft-melnikov-scram-sha-512
	SHA3x512: {"SCRAM-SHA3-512", 64, 72, func() hash.Hash { return sha3.New512() }}, // draft-melnikov-scram-sha3-512
}

// All returns every hash.
func All() []Hash { return []Hash{SHA1, SHA224, SHA256, SHA384, SHA512, SHA3x512} }

// ByName finds the hash of a mechanism, whose name is without -PLUS.
func ByName[S ~string | ~[]byte](mechanism S) (Hash, bool) {
	for h := range hashEnd {
		if hashes[h].name == string(mechanism) {
			return h, true
		}
	}
	return 0, false
}

// Name is the name of the mechanism without channel binding.
func (h Hash) Name() string { return hashes[h].name }

// Size is that of digests and keys, in bytes.
func (h Hash) Size() int { return hashes[h].size }

// Sum appends the digest of a text. The hashes are called by name, because what is
// passed through a function value or an interface moves to the heap.
func (h Hash) Sum(dst, text []byte) []byte {
	switch h {
	case SHA1:
		d := sha1.Sum(text)
		return append(dst, d[:]...)
	case SHA224:
		d := sha256.Sum224(text)
		return append(dst, d[:]...)
	case SHA256:
		d := sha256.Sum256(text)
		return append(dst, d[:]...)
	case SHA384:
		d := sha512.Sum384(text)
		return append(dst, d[:]...)
	case SHA512:
		d := sha512.Sum512(text)
		return append(dst, d[:]...)
	case SHA3x512:
		d := sha3.Sum512(text)
		return append(dst, d[:]...)
	}
	panic("scram: unknown hash")
}

const (
	maxBlock = 128
	// usualMessage is more than nearly every AuthMessage has, in bytes. A longer
	// one costs an allocation.
	usualMessage = 512
)

// The pads of HMAC (RFC 2104 section 2).
var innerPad, outerPad = [maxBlock]byte(bytes.Repeat([]byte{0x36}, maxBlock)), [maxBlock]byte(bytes.Repeat([]byte{0x5c}, maxBlock))

// MAC appends HMAC(key, text). The key is one of ours, not longer than a block.
// Unlike crypto/hmac's it does not allocate, which is half of what a login costs.
func (h Hash) MAC(dst, key, text []byte) []byte {
	var room [maxBlock + usualMessage]byte
	inner := append(h.pad(room[:0], key, &innerPad), text...)
	var digest [MaxSize]byte
	d := h.Sum(digest[:0], inner)
	outer := append(h.pad(room[:0], key, &outerPad), d...)
	return h.Sum(dst, outer)
}

// pad appends one block: the pad with the key XORed into it.
func (h Hash) pad(b, key []byte, pad *[maxBlock]byte) []byte {
	b = append(b, pad[:hashes[h].block]...)
	subtle.XORBytes(b, b, key)
	return b
}
