package sasldb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// The properties that serve logins.
const (
	PropertyPassword  = "userPassword"
	propertyCRAMMD5   = "cmusaslsecretCRAM-MD5"
	propertyDIGESTMD5 = "cmusaslsecretDIGEST-MD5"
)

// A Record is one property of one user. Names are bytes as they are in the file,
// usually UTF-8. It prints without its value.
type Record struct {
	Authid   string
	Realm    string
	Property string
	Value    []byte
}

// Format implements fmt.Formatter: everything but the value.
func (r Record) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%q@%q %q %s", r.Authid, r.Realm, r.Property, secret.Redacted)
}

// LogValue implements slog.LogValuer.
func (r Record) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// MarshalText keeps encoders from writing the value.
func (r Record) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(r)), nil }

// key is the record's key in the database.
func (r Record) key() ([]byte, error) {
	if strings.Contains(r.Authid+r.Realm+r.Property, "\x00") {
		return nil, fmt.Errorf("sasldb: record %s: a name holds NUL", r)
	}
	return []byte(r.Authid + "\x00" + r.Realm + "\x00" + r.Property), nil
}

// parseKey cuts a key at its two NULs; false means that the record is foreign.
func parseKey(key []byte) (authid, realm, property string, ok bool) {
	parts := bytes.Split(key, []byte{0})
	if len(parts) != 3 {
		return "", "", "", false
	}
	return string(parts[0]), string(parts[1]), string(parts[2]), true
}

// secretOf turns a property into the kind of secret it serves as. A property
// that is unknown, empty or of the wrong length serves nothing.
func secretOf(property string, value []byte) (verifier.Kind, []byte, bool) {
	switch {
	case property == PropertyPassword && len(value) > 0:
		return verifier.KindPassword, value, true
	case property == propertyCRAMMD5 && len(value) == 32:
		return verifier.KindCRAMMD5, hmacStates(value), true
	case property == propertyDIGESTMD5 && len(value) == 16:
		return verifier.KindDIGESTMD5, value, true
	}
	return 0, nil, false
}

// hmacStates turns Cyrus's inner and outer state in big-endian words into outer
// and inner in little-endian words, which is how verifier.KindCRAMMD5 has them.
func hmacStates(cyrus []byte) []byte {
	states := make([]byte, 0, 32)
	for _, half := range [][]byte{cyrus[16:], cyrus[:16]} {
		for i := 0; i < 16; i += 4 {
			states = binary.LittleEndian.AppendUint32(states, binary.BigEndian.Uint32(half[i:]))
		}
	}
	return states
}
