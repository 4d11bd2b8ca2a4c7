package sasldb

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/saslkit/saslkit/verifier"
)

// PropertyPassword is the property that holds a password.
const PropertyPassword = "userPassword"

const (
	propertyCRAMMD5   = "cmusaslsecretCRAM-MD5"
	propertyDIGESTMD5 = "cmusaslsecretDIGEST-MD5"
	propertyOTP       = "cmusaslsecretOTP"
)

// disabledPrefix is put before the name of each property of a user who is
// disabled. Cyrus SASL does not know such properties, so it has no secret for
// the user either. One is enough: a property that Cyrus's tools add later beside
// it does not enable the user again.
const disabledPrefix = "saslkit-disabled:"

// A property is one that serves logins: the kind of secret that it is, and how
// its value becomes one and is made of one. Both answer false for what is not of
// the form, and what they return may be what they were given.
type property struct {
	name   string
	kind   verifier.Kind
	decode func(value []byte) (secret []byte, ok bool)
	encode func(secret []byte) (value []byte, ok bool)
}

// properties has one row for each kind that a sasldb can hold, except for SCRAM
// keys: what those are worth depends on the user's other properties.
var properties = []property{
	{PropertyPassword, verifier.KindPassword, notEmpty, notEmpty},
	{propertyCRAMMD5, verifier.KindCRAMMD5, swapStates, swapStates},
	{propertyDIGESTMD5, verifier.KindDIGESTMD5, sixteenBytes, sixteenBytes},
	{propertyOTP, verifier.KindOTP, fiveFields, fiveFields},
}

// propertyOf returns the property that holds secrets of a kind.
func propertyOf(kind verifier.Kind) (p *property, ok bool) {
	for i := range properties {
		if properties[i].kind == kind {
			return &properties[i], true
		}
	}
	return nil, false
}

// cutDisabled returns the name without disabledPrefix, and whether it had it.
func cutDisabled[S ~string | ~[]byte](name S) (enabled S, disabled bool) {
	if len(name) < len(disabledPrefix) || string(name[:len(disabledPrefix)]) != disabledPrefix {
		return name, false
	}
	return name[len(disabledPrefix):], true
}

// recordOf returns the property that keeps a secret, and its value. It refuses a
// kind without a property of its own, and a value that is not of the form of its
// kind.
func recordOf(s verifier.Secret) (name string, value []byte, err error) {
	p, ok := propertyOf(s.Kind)
	if !ok {
		return "", nil, fmt.Errorf("sasldb: a sasldb holds no secret of kind %v", s.Kind)
	}
	value, ok = p.encode(s.Value)
	if !ok {
		return "", nil, fmt.Errorf("sasldb: %d bytes are not a secret of kind %v", len(s.Value), s.Kind)
	}
	return p.name, value, nil
}

func notEmpty(b []byte) ([]byte, bool) { return b, len(b) > 0 }

func sixteenBytes(b []byte) ([]byte, bool) { return b, len(b) == 16 }

// fiveFields looks no closer than it must to tell the state of a series from
// something else: the mechanism parses it.
func fiveFields(b []byte) ([]byte, bool) { return b, bytes.Count(b, []byte{'\t'}) == 4 }

// swapStates turns Cyrus's inner and outer state in big-endian words into outer
// and inner in little-endian words, which is how verifier.KindCRAMMD5 has them,
// and back.
func swapStates(b []byte) ([]byte, bool) {
	if len(b) != 32 {
		return nil, false
	}
	swapped := make([]byte, 0, 32)
	for _, half := range [][]byte{b[16:], b[:16]} {
		for i := 0; i < 16; i += 4 {
			swapped = binary.LittleEndian.AppendUint32(swapped, binary.BigEndian.Uint32(half[i:]))
		}
	}
	return swapped, true
}
