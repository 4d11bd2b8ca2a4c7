package digestlayer

import (
	"crypto/md5"
	"encoding"
	"encoding/binary"
	"hash"
)

// tagSize is how much of an HMAC is sent.
const tagSize = 10

// stateSize is the length of crypto/md5's marshalled form, or more.
const stateSize = 128

// A mac computes HMAC-MD5 (RFC 2104) with a key of 16 octets. It keeps the states
// after the two pads, and can save the state within a message: crypto/hmac cannot.
type mac struct {
	h            hash.Hash
	inner, outer []byte
}

func newMAC(key [md5.Size]byte) *mac {
	m := &mac{h: md5.New()}
	m.inner, m.outer = m.padded(key, 0x36), m.padded(key, 0x5c)
	return m
}

func (m *mac) padded(key [md5.Size]byte, pad byte) []byte {
	var block [md5.BlockSize]byte
	copy(block[:], key[:])
	for i := range block {
		block[i] ^= pad
	}
	m.h.Reset()
	m.h.Write(block[:])
	return m.save(nil)
}

// save appends the state.
func (m *mac) save(b []byte) []byte {
	b, err := m.h.(encoding.BinaryAppender).AppendBinary(b)
	if err != nil {
		panic("digestlayer: crypto/md5 does not save its state: " + err.Error())
	}
	return b
}

func (m *mac) restore(state []byte) {
	if err := m.h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic("digestlayer: crypto/md5 does not take its state: " + err.Error())
	}
}

// begin starts the MAC of a packet.
func (m *mac) begin(sequence uint32) {
	m.restore(m.inner)
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], sequence)
	m.h.Write(b[:])
}

// end finishes it.
func (m *mac) end() (tag [tagSize]byte) {
	var sum [md5.Size]byte
	m.h.Sum(sum[:0])
	m.restore(m.outer)
	m.h.Write(sum[:])
	m.h.Sum(sum[:0])
	return [tagSize]byte(sum[:])
}
