package mech

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/verifier"
)

// What a server keeps of a password for SCRAM, in the text form of RFC 5803:
//
//	SCRAM-SHA-256$10000:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPn…=:wfPLwcE6nTWhTA…=
//	mechanism    $count:salt                    $StoredKey       :ServerKey
//
// The RFC allows blanks around '$'. Neither Cyrus nor we write any, and a record
// has one form only here: what is read and written again is the same.

// A scramHash is what tells one SCRAM from another.
type scramHash struct {
	name string // of the mechanism
	size int    // of its keys, in bytes
	new  func() hash.Hash
}

var scramHashes = map[verifier.Kind]scramHash{
	verifier.KindSCRAMSHA1:   {"SCRAM-SHA-1", sha1.Size, sha1.New},
	verifier.KindSCRAMSHA224: {"SCRAM-SHA-224", sha256.Size224, sha256.New224},
	verifier.KindSCRAMSHA256: {"SCRAM-SHA-256", sha256.Size, sha256.New},
	verifier.KindSCRAMSHA384: {"SCRAM-SHA-384", sha512.Size384, sha512.New384},
	verifier.KindSCRAMSHA512: {"SCRAM-SHA-512", sha512.Size, sha512.New},
}

const (
	// maxSCRAMIterations bounds what a record may make a client compute: ten
	// million take a phone about ten seconds.
	maxSCRAMIterations = 10_000_000
	// maxSCRAMSalt is in bytes. Sixteen are usual.
	maxSCRAMSalt = 1024
	// maxSCRAMSecret is longer than any record within these bounds, in bytes.
	maxSCRAMSecret = 2048
)

// SCRAMKind returns the kind of secret that a SCRAM mechanism uses; -PLUS and the
// case of letters make no difference. False means that the name is of no SCRAM.
func SCRAMKind(mechanism string) (verifier.Kind, bool) {
	name := strings.TrimSuffix(strings.ToUpper(mechanism), "-PLUS")
	for kind, h := range scramHashes {
		if h.name == name {
			return kind, true
		}
	}
	return 0, false
}

// A scramSecret is a parsed record.
type scramSecret struct {
	kind       verifier.Kind
	iterations int
	salt       []byte
	storedKey  []byte // H(ClientKey): checks a proof, but makes none
	serverKey  []byte // proves the server to the client
}

// SCRAMSecret is the secret of one of the SCRAM kinds for a password, with which
// that SCRAM mechanism works and PLAIN does not. The salt must be random, of 1 to
// 1,024 bytes; there are 1 to 10,000,000 iterations, and RFC 7677 section 4 asks
// for 4,096 at least.
func SCRAMSecret(kind verifier.Kind, password string, salt []byte, iterations int) ([]byte, error) {
	s, err := newSCRAMSecret(kind, password, salt, iterations)
	if err != nil {
		return nil, err
	}
	return s.append(nil), nil
}

// newSCRAMSecret is RFC 5802 section 3, as far as the server goes.
func newSCRAMSecret(kind verifier.Kind, password string, salt []byte, iterations int) (scramSecret, error) {
	h, ok := scramHashes[kind]
	switch {
	case !ok:
		return scramSecret{}, fmt.Errorf("mech: SCRAM secret: kind %q is not of SCRAM", kind)
	case len(salt) < 1 || len(salt) > maxSCRAMSalt:
		return scramSecret{}, fmt.Errorf("mech: SCRAM secret: salt of %d bytes, want 1 to %d", len(salt), maxSCRAMSalt)
	case iterations < 1 || iterations > maxSCRAMIterations:
		return scramSecret{}, fmt.Errorf("mech: SCRAM secret: %d iterations, want 1 to %d", iterations, maxSCRAMIterations)
	}
	salted, err := pbkdf2.Key(h.new, saslprep.Password(password), salt, iterations, h.size)
	if err != nil { // only where a FIPS 140 mode forbids it
		return scramSecret{}, fmt.Errorf("mech: SCRAM secret: %w", err)
	}
	stored := h.new()
	stored.Write(h.mac(salted, "Client Key"))
	return scramSecret{
		kind:       kind,
		iterations: iterations,
		salt:       salt,
		storedKey:  stored.Sum(nil),
		serverKey:  h.mac(salted, "Server Key"),
	}, nil
}

// mac is HMAC(key, text).
func (h scramHash) mac(key []byte, text string) []byte {
	m := hmac.New(h.new, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// parseSCRAMSecret reads the value of a secret of one of the SCRAM kinds.
func parseSCRAMSecret(kind verifier.Kind, value []byte) (scramSecret, error) {
	const message = "SCRAM secret"
	if len(value) > maxSCRAMSecret {
		return scramSecret{}, &SyntaxError{Message: message, Offset: maxSCRAMSecret, Reason: "too long"}
	}
	h, ok := scramHashes[kind]
	c := cursor.New(value)
	if name := c.While(scramNameByte); !ok || name != h.name {
		c.Fail("another mechanism than that of the kind")
	}
	c.Expect('$', "expected '$'")
	s := scramSecret{kind: kind, iterations: scramCount(&c)}
	c.Expect(':', "expected ':' after the iteration count")
	s.salt = scramBase64(&c, 1, maxSCRAMSalt)
	c.Expect('$', "expected '$' after the salt")
	s.storedKey = scramBase64(&c, h.size, h.size)
	c.Expect(':', "expected ':' after the StoredKey")
	s.serverKey = scramBase64(&c, h.size, h.size)
	if err := c.Err(message); err != nil {
		return scramSecret{}, err
	}
	return s, nil
}

var (
	scramNameByte = cursor.SetOf(func(b byte) bool { return 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' })
	decimalDigit  = cursor.SetOf(func(b byte) bool { return '0' <= b && b <= '9' })
	base64Byte    = cursor.SetOf(func(b byte) bool {
		return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '+' || b == '/' || b == '='
	})
)

// scramCount reads an iteration count, without leading zeros (RFC 5802 section 7,
// posit-number).
func scramCount(c *cursor.Cursor) int {
	digits := c.While(decimalDigit)
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > maxSCRAMIterations || digits[0] == '0' {
		c.Fail("expected an iteration count from 1 to 10000000")
	}
	return n
}

// scramBase64 reads base64 with padding (RFC 4648 section 4, of which 3.5: the
// bits that count for nothing are zero).
func scramBase64(c *cursor.Cursor, least, most int) []byte {
	decoded, err := base64.StdEncoding.Strict().DecodeString(c.While(base64Byte))
	if err != nil {
		c.Fail("not base64")
	}
	if len(decoded) < least || len(decoded) > most {
		c.Fail("a value of this length is not allowed")
	}
	return decoded
}

func (s scramSecret) append(b []byte) []byte {
	b = append(append(b, scramHashes[s.kind].name...), '$')
	b = append(strconv.AppendInt(b, int64(s.iterations), 10), ':')
	b = append(base64.StdEncoding.AppendEncode(b, s.salt), '$')
	b = append(base64.StdEncoding.AppendEncode(b, s.storedKey), ':')
	return base64.StdEncoding.AppendEncode(b, s.serverKey)
}
