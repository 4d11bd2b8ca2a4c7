package scram

import (
	"context"
	"crypto/fips140"
	"crypto/subtle"
	"encoding"
	"errors"
	"hash"
)

// attentive is after how many iterations the context is looked at: some 150
// microseconds of SHA-256.
const attentive = 1024

// fipsKey is the shortest key that HMAC may have where FIPS 140 is enforced, in
// bytes (SP 800-131A).
const fipsKey = 112 / 8

// ErrFIPS: what was asked for is not allowed where FIPS 140 is enforced.
var ErrFIPS = errors.New("scram: FIPS 140 allows neither SHA-1 nor passwords under 14 bytes")

// Salted is PBKDF2 (RFC 8018 section 5.2) with one block of output, as RFC 5802
// section 2.2 has it under the name Hi. It stops when the context ends, and only
// then or where FIPS 140 forbids it returns an error.
func (h Hash) Salted(ctx context.Context, password string, salt []byte, iterations int) ([]byte, error) {
	if fips140.Enforced() && (h == SHA1 || len(password) < fipsKey) {
		return nil, ErrFIPS
	}
	ctx.Done() // asking for the end tells a daemon that this takes its time
	mac := h.newKeyed([]byte(password))
	u := mac.sum(make([]byte, h.Size()), salt, []byte{0, 0, 0, 1})
	salted := append([]byte(nil), u...)
	for i := range iterations - 1 {
		if i%attentive == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		u = mac.sum(u, u)
		subtle.XORBytes(salted, salted, u)
	}
	return salted, nil
}

// A resumable hash is one of the standard library's.
type resumable interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// A keyed hash is HMAC with the two blocks that the key makes hashed already. Beside
// crypto/hmac it has one digest and not two, and takes a tenth less time, or a fourth
// if those come to lie badly in memory.
type keyed struct {
	digest       resumable
	inner, outer []byte // the digest's state after the first block of each
}

func (h Hash) newKeyed(key []byte) keyed {
	if len(key) > hashes[h].block { // RFC 2104 section 2
		key = h.Sum(nil, key)
	}
	k := keyed{digest: hashes[h].new().(resumable)}
	k.inner = k.after(h.pad(nil, key, &innerPad))
	k.outer = k.after(h.pad(nil, key, &outerPad))
	return k
}

// after is the state after a block.
func (k keyed) after(block []byte) []byte {
	k.digest.Reset()
	k.digest.Write(block)
	state, err := k.digest.AppendBinary(nil)
	if err != nil {
		panic("scram: a hash of the standard library does not save its state: " + err.Error())
	}
	return state
}

func (k keyed) resume(state []byte) {
	if err := k.digest.UnmarshalBinary(state); err != nil {
		panic("scram: a hash of the standard library does not resume its state: " + err.Error())
	}
}

// sum returns the MAC of texts in the room, in which a text may be.
func (k keyed) sum(room []byte, texts ...[]byte) []byte {
	k.resume(k.inner)
	for _, text := range texts {
		k.digest.Write(text)
	}
	inner := k.digest.Sum(room[:0])
	k.resume(k.outer)
	k.digest.Write(inner)
	return k.digest.Sum(inner[:0])
}
