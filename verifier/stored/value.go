package stored

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/saslkit/saslkit/internal/crypt"
	"github.com/saslkit/saslkit/internal/md5secret"
	"github.com/saslkit/saslkit/internal/ntlm"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// A Value is what is stored for one user. It prints as REDACTED. The zero Value
// matches no password.
type Value struct {
	secret.Opaque
	hash   *crypt.Hash     // or
	secret verifier.Secret // with a kind other than KindCheck
	decoy  bool
}

// ErrUnusable matches the errors of [Parse] and [ParseAs]: no password can be checked against the
// value. They name its scheme and quote nothing else of it.
var ErrUnusable = errors.New("stored: the value cannot be used")

// maxValue is longer than what any scheme writes, in bytes.
const maxValue = 8192

// Parse reads a value, of at most 8,192 bytes. Without a {SCHEME} it is a hash of
// crypt(3). The error matches [ErrUnusable].
func Parse(text string) (Value, error) { return ParseAs("CRYPT", text) }

// ParseAs reads a value which, if it has no {SCHEME} of its own, is of the given one,
// named without braces: "PLAIN", "SSHA". It is otherwise like [Parse].
func ParseAs(scheme, text string) (Value, error) {
	v, err := parse(scheme, text)
	if err != nil {
		return Value{}, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return v, nil
}

func parse(scheme, text string) (Value, error) {
	if len(text) > maxValue {
		return Value{}, fmt.Errorf("it has %d bytes, more than %d", len(text), maxValue)
	}
	if strings.HasPrefix(text, "SCRAM-") {
		return ofSCRAM(text)
	}
	if own, value, ok := crypt.SplitScheme(text); ok {
		scheme, text = own, value
	}
	name, encoding, _ := strings.Cut(strings.ToUpper(scheme), ".")
	switch name {
	case "PLAIN", "CLEAR", "CLEARTEXT":
		return ofPassword(text, encoding)
	case "CRAM-MD5", "HMAC-MD5":
		return ofBytes(verifier.KindCRAMMD5, name, text, encoding, md5secret.CRAMMD5Size)
	case "DIGEST-MD5":
		return ofBytes(verifier.KindDIGESTMD5, name, text, encoding, 16)
	case "NTLM":
		return ofNTHash(text, encoding)
	}
	if strings.HasPrefix(name, "SCRAM-") {
		return ofSCRAM("{" + strings.ToUpper(scheme) + "}" + text)
	}
	h, err := crypt.ParseScheme(scheme, text)
	return Value{hash: h}, err
}

func ofSCRAM(text string) (Value, error) {
	s, err := verifier.ParseSCRAM(text)
	return Value{secret: s}, err
}

// ofPassword is a password as it is, or encoded so that it can stand in a file.
func ofPassword(text, encoding string) (Value, error) {
	password := []byte(text)
	if encoding != "" {
		var err error
		if password, err = decode(text, encoding); err != nil {
			return Value{}, fmt.Errorf("PLAIN.%.8s: %w", encoding, err)
		}
	}
	if len(password) == 0 {
		return Value{}, errors.New("the password is empty")
	}
	return Value{secret: verifier.Secret{Kind: verifier.KindPassword, Value: password}}, nil
}

// ofBytes is a secret of a fixed length, in hex if nothing else is said.
func ofBytes(kind verifier.Kind, name, text, encoding string, size int) (Value, error) {
	if encoding == "" {
		encoding = "HEX"
	}
	value, err := decode(text, encoding)
	switch {
	case err != nil:
		return Value{}, fmt.Errorf("%s: %w", name, err)
	case len(value) != size:
		return Value{}, fmt.Errorf("%s: %d bytes, want %d", name, len(value), size)
	}
	return Value{secret: verifier.Secret{Kind: kind, Value: value}}, nil
}

// ofNTHash is an NT hash, but not that of the empty password, which Windows keeps for
// accounts without one.
func ofNTHash(text, encoding string) (Value, error) {
	v, err := ofBytes(verifier.KindNTHash, "NTLM", text, encoding, ntlm.HashSize)
	if err == nil && ntlm.IsEmpty(v.secret.Value) {
		return Value{}, errors.New("NTLM: the password is empty")
	}
	return v, err
}

var errEncoding = errors.New("not in its encoding")

func decode(text, encoding string) (value []byte, err error) {
	switch encoding {
	case "HEX":
		value, err = hex.DecodeString(text)
	case "B64", "BASE64":
		value, err = base64.StdEncoding.Strict().DecodeString(text)
	default:
		return nil, fmt.Errorf("no encoding .%.8q (known: .HEX .B64 .BASE64)", encoding)
	}
	if err != nil { // it would quote a character
		return nil, errEncoding
	}
	return value, nil
}

// Scheme names for people how the value is kept: "yescrypt", "SCRAM-SHA-256 keys".
func (v Value) Scheme() string {
	switch {
	case v.hash != nil:
		return v.hash.Scheme()
	case v.secret.Kind == verifier.KindCheck:
		return "nothing"
	}
	return v.secret.Kind.String()
}

// Cost says for people what a check costs. Values of the same Cost cost the same.
func (v Value) Cost() string {
	switch {
	case v.hash != nil:
		return v.hash.Cost().String()
	case v.secret.Kind.IsSCRAM():
		iterations, salt := v.scram()
		return fmt.Sprintf("%v, %d iterations, %d bytes of salt", v.secret.Kind, iterations, salt)
	}
	return v.Scheme()
}

// isQuick reports whether a check costs some microseconds at most: a comparison, or one
// hash of what somebody typed.
func (v Value) isQuick() bool {
	if v.hash == nil {
		return !v.secret.Kind.IsSCRAM()
	}
	c := v.hash.Cost()
	return c.Rounds == 1 && c.Block == 0 && c.Lanes == 0 && c.Memory == 0
}

// scram reads the count and the length of the salt of SCRAM keys.
func (v Value) scram() (iterations, salt int) {
	keys := verifier.Decoy(v.secret.Kind).Value // of 16 bytes of salt
	return int(binary.BigEndian.Uint32(v.secret.Value)), len(v.secret.Value) - len(keys) + 16
}

// Kinds is what a user with this value can log in with.
func (v Value) Kinds() verifier.Kinds {
	if v.hash == nil && v.secret.Kind == verifier.KindCheck {
		return 0
	}
	return verifier.KindsOf(verifier.KindCheck, v.secret.Kind)
}

// Secret returns the secret to hand out, if it is of one of the kinds. The caller owns
// it; it has no account yet.
func (v Value) Secret(kinds ...verifier.Kind) (verifier.Secret, bool) {
	for _, k := range kinds {
		if k == v.secret.Kind && k != verifier.KindCheck {
			s := v.secret
			s.Value = append([]byte(nil), s.Value...)
			return s, true
		}
	}
	return verifier.Secret{}, false
}

// Decoy returns a value of the same Cost that no password matches, to compute with for
// a user who does not exist.
func (v Value) Decoy() Value {
	v.decoy = true
	return v
}

// Commonest returns a decoy of the cost that most of the values have, the first of them
// if there are several; the zero Value if there is none. With it an unknown user costs
// what most users cost; who is of a rarer scheme can be told from the others by the
// time that a wrong password takes.
func Commonest(values iter.Seq[Value]) Value {
	type class struct{ kind, cost any }
	count := make(map[class]int)
	var commonest Value
	most := 0
	for v := range values {
		c := class{kind: v.secret.Kind}
		switch {
		case v.hash != nil:
			c.cost = v.hash.Cost()
		case v.secret.Kind.IsSCRAM():
			c.cost = v.Cost()
		}
		if count[c]++; count[c] > most {
			most, commonest = count[c], v
		}
	}
	return commonest.Decoy()
}

// matches computes, whatever the password.
func (v Value) matches(ctx context.Context, r verifier.Request, password string) (match bool, err error) {
	if v.hash != nil {
		match = v.hash.Matches(password)
	} else {
		match, err = v.secret.Matches(ctx, r, password)
	}
	return match && !v.decoy, err
}
