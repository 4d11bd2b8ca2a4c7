package sasldb

import (
	"bytes"
	"fmt"
	"log/slog"

	"github.com/saslkit/saslkit/internal/secret"
)

// A Record is one property of one user. Names are bytes as they are in the file,
// usually UTF-8. It prints without its value.
type Record struct {
	Authid   string
	Realm    string
	Property string // "userPassword" and so on
	Value    []byte
}

// Format implements [fmt.Formatter]: everything but the value.
func (r Record) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%q@%q %q %s", r.Authid, r.Realm, r.Property, secret.Redacted)
}

// LogValue implements [slog.LogValuer].
func (r Record) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// MarshalText keeps encoders from writing the value.
func (r Record) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(r)), nil }

// key is the record's key in the database.
func (r Record) key() ([]byte, error) {
	key := make([]byte, 0, len(r.Authid)+1+len(r.Realm)+1+len(r.Property))
	key = append(append(key, r.Authid...), 0)
	key = append(append(key, r.Realm...), 0)
	key = append(key, r.Property...)
	if bytes.Count(key, []byte{0}) != 2 {
		return nil, fmt.Errorf("%w: %s: a name holds NUL", ErrRecord, r)
	}
	return key, nil
}

// parseKey cuts a key at its two NULs; false means that the record is foreign.
func parseKey(key []byte) (authid, realm, property string, ok bool) {
	a, r, p, ok := cutKey(key)
	return string(a), string(r), string(p), ok
}

// cutKey does the same without copying.
func cutKey(key []byte) (authid, realm, property []byte, ok bool) {
	authid, rest, _ := bytes.Cut(key, []byte{0})
	realm, property, ok = bytes.Cut(rest, []byte{0})
	if !ok || bytes.IndexByte(property, 0) >= 0 {
		return nil, nil, nil, false
	}
	return authid, realm, property, true
}
