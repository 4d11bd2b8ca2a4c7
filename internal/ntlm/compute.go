package ntlm

import (
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"unicode/utf8"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 the NT hash is made of it

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/internal/secret"
)

// HashSize is the length of an NT hash, in bytes.
const HashSize = md4.Size

// Hash is the NT hash: MD4 of the password in UTF-16. It returns false for a password
// that is empty or not UTF-8: different ones of these would have the same hash.
func Hash(password string) (hash []byte, ok bool) {
	h := md4.New()
	h.Write(appendUTF16(make([]byte, 0, 2*len(password)), password))
	return h.Sum(nil), password != "" && utf8.ValidString(password)
}

// emptyHash is that of the empty password, which Windows stores for accounts without
// one.
const emptyHash = "\x31\xd6\xcf\xe0\xd1\x6a\xe9\x31\xb7\x3c\x59\xd7\xe0\xc0\x89\xc0"

// IsEmpty reports whether a hash is that of the empty password.
func IsEmpty(hash []byte) bool { return secret.Equal(hash, emptyHash) }

// A Key is NTLMv2's: of one password, user and domain. It prints as REDACTED.
type Key struct {
	secret.Opaque
	value []byte
}

// NewKey makes the key of a hash (NTOWFv2). The user is taken in capitals, the domain
// as it is.
func NewKey(hash []byte, user, domain string) Key {
	return Key{value: keyed(hash, appendUTF16(appendUTF16(nil, upper(user)), domain))}
}

func keyed(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(md5.New, key)
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(nil)
}

// A Response is an NT response of version 2: the proof, and what it covers beside the
// server's challenge.
type Response struct {
	Proof [md5.Size]byte
	blob  []byte
}

const (
	// blobSize is what stands in the blob before the server's info: the version,
	// six zeros, the time, the client's challenge, four zeros.
	blobSize = 28
	// V1Size is the length of a response of version 1, LM or NT, in bytes.
	V1Size = 24
)

// ParseResponse reads an NT response of version 2. The error is a *cursor.SyntaxError.
// What stands after the info is covered by the proof and does not matter.
func ParseResponse(b []byte) (Response, error) {
	fail := func(offset int, reason string) (Response, error) {
		return Response{}, &cursor.SyntaxError{Message: "NTLM response", Offset: offset, Reason: reason}
	}
	if len(b) < md5.Size+blobSize {
		return fail(len(b), "is too short")
	}
	r := Response{Proof: [md5.Size]byte(b), blob: b[md5.Size:]}
	if r.blob[0] != 1 || r.blob[1] != 1 {
		return fail(md5.Size, "is of another version")
	}
	if info := r.info(); len(info) > 0 {
		if at, reason := info.pairs(func(uint16, []byte) {}); reason != "" {
			return fail(md5.Size+blobSize+at, reason)
		}
	}
	return r, nil
}

func (r Response) info() Info { return Info(r.blob[blobSize:]) }

// HasMIC reports whether the client says that its message has an integrity code.
func (r Response) HasMIC() bool { return r.info().hasMIC() }

// Append appends the response.
func (r Response) Append(b []byte) []byte { return append(append(b, r.Proof[:]...), r.blob...) }

// NewResponse answers a challenge. The info is the server's.
func NewResponse(key Key, challenge, own Nonce, now FileTime, info Info) Response {
	blob := make([]byte, 0, blobSize+len(info)+4)
	blob = append(blob, 1, 1, 0, 0, 0, 0, 0, 0)
	blob = binary.LittleEndian.AppendUint64(blob, uint64(now))
	blob = append(append(blob, own[:]...), 0, 0, 0, 0)
	blob = append(append(blob, info...), 0, 0, 0, 0)
	r := Response{blob: blob}
	r.Proof = r.ProofBy(key, challenge)
	return r
}

// ProofBy is the proof that the holder of a key has for what the response says.
func (r Response) ProofBy(key Key, challenge Nonce) [md5.Size]byte {
	return [md5.Size]byte(keyed(key.value, challenge[:], r.blob))
}

// LMv2 is the LM response of version 2, for servers too old for the other.
func LMv2(key Key, challenge, own Nonce) []byte {
	return append(keyed(key.value, challenge[:], own[:]), own[:]...)
}

// MIC is the integrity code over the three messages; that in the last one counts as
// zeros. The message has room for it.
func MIC(key Key, proof [md5.Size]byte, negotiate, challenge, authenticate []byte) [micSize]byte {
	var zeros [micSize]byte
	session := keyed(key.value, proof[:])
	return [micSize]byte(keyed(session, negotiate, challenge,
		authenticate[:micOffset], zeros[:], authenticate[micOffset+micSize:]))
}

// ResponseV1 is the NT response of version 1: the challenge, encrypted three times
// with parts of the hash.
func ResponseV1(hash []byte, challenge Nonce) []byte {
	var keys [21]byte
	copy(keys[:], hash)
	response := make([]byte, V1Size)
	for i := range 3 {
		block, err := des.NewCipher(desKey(keys[7*i : 7*i+7]))
		if err != nil {
			panic("ntlm: a key of DES has 8 bytes: " + err.Error())
		}
		block.Encrypt(response[8*i:], challenge[:])
	}
	return response
}

// desKey spreads 56 bits over 8 bytes. The lowest bits are parity, which nobody looks
// at.
func desKey(b []byte) []byte {
	var bits uint64
	for _, v := range b {
		bits = bits<<8 | uint64(v)
	}
	key := make([]byte, 8)
	for i := range key {
		key[i] = byte(bits>>(49-7*i)) << 1
	}
	return key
}

// SessionChallenge is what version 1 encrypts in place of the challenge if both sides
// said ExtendedSecurity: the LM response then is the client's challenge and 16 zeros.
func SessionChallenge(challenge Nonce, lm []byte) (Nonce, bool) {
	if len(lm) != V1Size || string(lm[8:]) != string(make([]byte, 16)) {
		return challenge, false
	}
	sum := md5.Sum(append(challenge[:], lm[:8]...))
	return Nonce(sum[:8]), true
}
