package scram

import (
	"context"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/subtle"
	"errors"

	"github.com/saslkit/saslkit/internal/secret"
)

// Bounds of what is computed or kept.
const (
	// MaxIterations: ten million take a phone about ten seconds.
	MaxIterations = 10_000_000
	// MaxSalt is in bytes. Sixteen are usual.
	MaxSalt = 1024
)

// attentive is after how many iterations the context is looked at: some 150
// microseconds of SHA-256.
const attentive = 1024

// fipsKey is the shortest key that HMAC takes where FIPS 140 is enforced, in bytes.
const fipsKey = 112 / 8

var errFIPS = errors.New("scram: a password under 14 bytes is no HMAC key where FIPS 140 is enforced")

// Salted is PBKDF2 (RFC 8018 section 5.2) with one block of output, as RFC 5802
// section 2.2 has it under the name Hi. It stops when the context ends, and only
// then or where FIPS 140 forbids it returns an error.
func (h Hash) Salted(ctx context.Context, password string, salt []byte, iterations int) ([]byte, error) {
	if fips140.Enforced() && len(password) < fipsKey {
		return nil, errFIPS
	}
	mac := hmac.New(hashes[h].new, []byte(password))
	mac.Write(salt)
	mac.Write([]byte{0, 0, 0, 1})
	u := mac.Sum(nil)
	salted := append([]byte(nil), u...)
	for i := range iterations - 1 {
		if i%attentive == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		mac.Reset()
		mac.Write(u)
		u = mac.Sum(u[:0])
		subtle.XORBytes(salted, salted, u)
	}
	return salted, nil
}

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
