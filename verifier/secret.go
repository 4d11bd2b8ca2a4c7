package verifier

import (
	"fmt"
	"iter"
	"math/bits"
	"strings"

	"github.com/saslkit/saslkit/internal/ntlm"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/internal/secret"
)

// A Kind is a form in which a secret can be held.
type Kind uint8

// The kinds of secret. What [Secret.Value] holds is said at each.
const (
	// KindCheck is never handed out: the store can check a password but not
	// show one (crypt hashes, PAM, saslauthd, an LDAP bind).
	KindCheck Kind = iota
	// KindPassword is the password itself, as it was stored.
	KindPassword
	// KindCRAMMD5 is 32 bytes: the MD5 state after the block of the outer pad,
	// then the one after the block of the inner pad (RFC 2104), each four
	// words, little endian. Dovecot prints the same as {CRAM-MD5}; Cyrus's
	// property has the inner state first and big-endian words.
	KindCRAMMD5
	// KindDIGESTMD5 is 16 bytes: MD5(user ":" realm ":" password), RFC 2831
	// section 2.1.2.1.
	KindDIGESTMD5
	// KindSCRAMSHA1 and the five below are what SCRAM keeps of a password (RFC
	// 5802 section 3), one kind for each hash: the iteration count in four bytes,
	// big endian, StoredKey, ServerKey, and the salt, of 1 to 1,024 bytes. The
	// keys have the size of the hash. ParseSCRAM makes it of the text forms in
	// which programs store it, and FormatSCRAM the reverse.
	KindSCRAMSHA1
	KindSCRAMSHA224
	KindSCRAMSHA256
	KindSCRAMSHA384
	KindSCRAMSHA512
	KindSCRAMSHA3512
	// KindOTP is the state of a series of one-time passwords (RFC 2289), in
	// Cyrus's text form, five fields separated by tabs: hash ("md5"), sequence
	// number (4 digits), seed, the last password used (16 hex digits), and until
	// when a login holds the series (Unix time, 20 digits).
	KindOTP
	// KindOrigin is no secret: it says that the user's others are copies, from where,
	// and until when they are good, as the text of an Origin. A store keeps it as it
	// keeps the others; no mechanism asks for it.
	KindOrigin
	// KindNTHash is 16 bytes: MD4 of the password in UTF-16, little endian, as Windows
	// keeps it (NTOWFv1 of MS-NLMP). Dovecot prints it as {NTLM}. For NTLM it is as
	// good as the password.
	KindNTHash

	kindEnd
)

var kindNames = [...]string{
	KindCheck:     "password check",
	KindPassword:  "password",
	KindCRAMMD5:   "CRAM-MD5 states",
	KindDIGESTMD5: "DIGEST-MD5 hash",

	KindSCRAMSHA1:    "SCRAM-SHA-1 keys",
	KindSCRAMSHA224:  "SCRAM-SHA-224 keys",
	KindSCRAMSHA256:  "SCRAM-SHA-256 keys",
	KindSCRAMSHA384:  "SCRAM-SHA-384 keys",
	KindSCRAMSHA512:  "SCRAM-SHA-512 keys",
	KindSCRAMSHA3512: "SCRAM-SHA3-512 keys",
	KindOTP:          "OTP series",
	KindOrigin:       "origin of a copy",
	KindNTHash:       "NT hash",
}

// String returns the name used in messages.
func (k Kind) String() string {
	if k < kindEnd {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Kinds is a set of kinds; the zero value is empty.
type Kinds uint32

// KindsOf returns the set of the given kinds. A stored password can also be
// checked, so KindPassword brings KindCheck with it.
func KindsOf(kinds ...Kind) Kinds {
	var s Kinds
	for _, k := range kinds {
		s |= 1 << k
		if k == KindPassword {
			s |= 1 << KindCheck
		}
	}
	return s
}

// AllKinds is the set of every kind.
const AllKinds Kinds = 1<<kindEnd - 1

// Has reports whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// Any reports whether one of the kinds is in the set.
func (s Kinds) Any(kinds []Kind) bool {
	for _, k := range kinds {
		if s.Has(k) {
			return true
		}
	}
	return false
}

// All yields the kinds in the set.
func (s Kinds) All() iter.Seq[Kind] {
	return func(yield func(Kind) bool) {
		for rest := s; rest != 0; rest &= rest - 1 {
			if !yield(Kind(bits.TrailingZeros32(uint32(rest)))) {
				return
			}
		}
	}
}

// String lists the kinds, separated by commas.
func (s Kinds) String() string {
	if s == 0 {
		return "nothing"
	}
	var names []string
	for k := range s.All() {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

// A Secret is one stored secret and the account that it belongs to. It prints
// as REDACTED.
type Secret struct {
	secret.Opaque
	Kind    Kind
	Value   []byte  // what the kind says
	Account Account // whose it is, with a User
}

// Decoy returns a secret of a kind that nobody has, to compute with for a user who
// is unknown or has none. What it holds does not matter: a match with it is not
// looked at. The value must not be changed. For a kind that is never handed out it
// is empty.
func Decoy(k Kind) Secret { return Secret{Kind: k, Value: decoys[k]} }

const decoyPassword = "decoy password"

var decoys = map[Kind][]byte{
	KindPassword:  []byte(decoyPassword),
	KindCRAMMD5:   make([]byte, 32),
	KindDIGESTMD5: make([]byte, 16),

	KindSCRAMSHA1:    decoyKeys(scram.SHA1),
	KindSCRAMSHA224:  decoyKeys(scram.SHA224),
	KindSCRAMSHA256:  decoyKeys(scram.SHA256),
	KindSCRAMSHA384:  decoyKeys(scram.SHA384),
	KindSCRAMSHA512:  decoyKeys(scram.SHA512),
	KindSCRAMSHA3512: decoyKeys(scram.SHA3x512),
	KindOTP:          []byte("md5\t0499\tds7301\t0000000000000000\t00000000000000000000"),
	KindNTHash:       make([]byte, ntlm.HashSize),
}
