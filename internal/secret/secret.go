// Package secret holds the two things that every package does with passwords,
// keys and proofs: compare them without telling where they differ, and print
// them as REDACTED.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a secret looks like in every kind of output.
const Redacted = "REDACTED"

// Equal reports whether a presented value is the expected one. The time it
// takes depends on the length of the presented value, which its sender knows,
// and on nothing else: neither the position of the first difference nor the
// length of the expected value shows. It does not allocate.
func Equal[P, E ~string | ~[]byte](presented P, expected E) bool {
	if len(presented) != len(expected) {
		differ(presented, presented) // the same work, for nothing
		return false
	}
	return differ(presented, expected) == 0
}

// differ is 0 if two values of one length are equal. Every byte is looked at.
// crypto/subtle would want byte slices, and copies of strings.
//
//go:noinline
func differ[A, B ~string | ~[]byte](a A, b B) (diff byte) {
	if len(a) != len(b) {
		return 1
	}
	for i := range len(a) {
		diff |= a[i] ^ b[i]
	}
	return diff
}

// Opaque makes the type that embeds it print as REDACTED under every verb of
// package fmt and in slog. fmt reads unexported fields without asking them, so
// a struct with a password in any field needs this and not a string type.
type Opaque struct{}

// Format implements fmt.Formatter.
func (Opaque) Format(f fmt.State, _ rune) { io.WriteString(f, Redacted) }

// LogValue implements slog.LogValuer.
func (Opaque) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText keeps encoding/json and encoding/xml from looking inside.
func (Opaque) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
