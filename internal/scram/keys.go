package scram

import (
	"crypto/subtle"

	"github.com/saslkit/saslkit/internal/secret"
)

// Bounds of what is computed or kept.
const (
	// MaxIterations: ten million take a phone about ten seconds.
	MaxIterations = 10_000_000
	// MaxSalt is in bytes. Sixteen are usual.
	MaxSalt = 1024
)

// clientKey and serverKey append what the salted password gives.
func (h Hash) clientKey(dst, salted []byte) []byte { return h.MAC(dst, salted, []byte("Client Key")) }
func (h Hash) serverKey(dst, salted []byte) []byte { return h.MAC(dst, salted, []byte("Server Key")) }

// Keys returns what a server keeps: StoredKey and ServerKey.
func (h Hash) Keys(salted []byte) (stored, server []byte) {
	var room [MaxSize]byte
	keys := make([]byte, 0, 2*h.Size())
	keys = h.Sum(keys, h.clientKey(room[:0], salted))
	keys = h.serverKey(keys, salted)
	return keys[:h.Size()], keys[h.Size():]
}

// Proof appends the client's proof, and Signature what the server must answer.
func (h Hash) Proof(dst, salted, authMessage []byte) []byte {
	var key, stored, signature [MaxSize]byte
	k := h.clientKey(key[:0], salted)
	s := h.MAC(signature[:0], h.Sum(stored[:0], k), authMessage)
	subtle.XORBytes(k, k, s)
	return append(dst, k...)
}

// Signature appends the server's signature, for a client that has the salted
// password.
func (h Hash) Signature(dst, salted, authMessage []byte) []byte {
	var key [MaxSize]byte
	return h.MAC(dst, h.serverKey(key[:0], salted), authMessage)
}

// Proves reports whether a proof is by somebody who knows the password. The proof
// has the size of the hash.
func (h Hash) Proves(proof, stored, authMessage []byte) bool {
	var key, digest [MaxSize]byte
	k := h.MAC(key[:0], stored, authMessage)
	if len(proof) != len(k) {
		return false
	}
	subtle.XORBytes(k, k, proof)
	return secret.Equal(h.Sum(digest[:0], k), stored)
}
