// Package md5secret computes what servers keep of a password for CRAM-MD5 and
// DIGEST-MD5 in place of it. Either is as good as the password for that mechanism.
package md5secret

import (
	"bytes"
	"crypto/md5"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"unicode/utf8"
)

// CRAMMD5Size is the length of CRAM-MD5's states, in bytes.
const CRAMMD5Size = 2 * md5.Size

// CRAMMD5 returns the states of HMAC-MD5 after the block of the outer pad and after
// that of the inner one (RFC 2104), each four words, little endian.
func CRAMMD5(password string) []byte {
	key := []byte(password)
	if len(key) > md5.BlockSize { // RFC 2104 section 2
		sum := md5.Sum(key)
		key = sum[:]
	}
	states := make([]byte, 0, CRAMMD5Size)
	for _, pad := range []byte{0x5c, 0x36} {
		block := bytes.Repeat([]byte{pad}, md5.BlockSize)
		for i, b := range key {
			block[i] ^= b
		}
		states = append(states, stateAfter(block)...)
	}
	return states
}

// CRAMMD5Digest finishes the HMAC of a challenge, in hex. It returns false if the
// states are of another length.
func CRAMMD5Digest(states []byte, challenge string) (digest string, ok bool) {
	if len(states) != CRAMMD5Size {
		return "", false
	}
	inner := resume(states[md5.Size:], []byte(challenge))
	return hex.EncodeToString(resume(states[:md5.Size], inner)), true
}

// saved begins crypto/md5's marshalled form: then come the state in big-endian words,
// the unfinished block and the length so far.
const saved = "md5\x01"

// stateAfter is MD5's state after whole blocks, in little-endian words.
func stateAfter(blocks []byte) []byte {
	h := md5.New()
	h.Write(blocks)
	form, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic("md5secret: crypto/md5 does not save its state: " + err.Error())
	}
	state := make([]byte, 0, md5.Size)
	for i := len(saved); i < len(saved)+md5.Size; i += 4 {
		state = binary.LittleEndian.AppendUint32(state, binary.BigEndian.Uint32(form[i:]))
	}
	return state
}

// resume hashes more bytes from the state after one block of 64 bytes.
func resume(state, more []byte) []byte {
	form := []byte(saved)
	for i := 0; i < md5.Size; i += 4 {
		form = binary.BigEndian.AppendUint32(form, binary.LittleEndian.Uint32(state[i:]))
	}
	form = append(form, make([]byte, md5.BlockSize)...)
	form = binary.BigEndian.AppendUint64(form, md5.BlockSize)
	h := md5.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(form); err != nil {
		panic("md5secret: crypto/md5 does not take a state: " + err.Error())
	}
	h.Write(more)
	return h.Sum(nil)
}

// DIGESTMD5 is MD5(user ":" realm ":" password), RFC 2831 section 2.1.2.1, of the
// bytes as they are.
func DIGESTMD5(user, realm, password string) [md5.Size]byte {
	var space [128]byte
	b := append(append(space[:0], user...), ':')
	b = append(append(b, realm...), ':')
	return md5.Sum(append(b, password...))
}

// Latin1 encodes in ISO 8859-1 what fits, as RFC 2831 section 2.1.2.1 wants it before
// hashing. What does not fit, or is no UTF-8, is returned as it is, with false.
func Latin1(s string) (encoded string, ok bool) {
	ascii := true
	for _, r := range s {
		if r > 0xff {
			return s, false
		}
		ascii = ascii && r < utf8.RuneSelf
	}
	if ascii {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b), true
}
