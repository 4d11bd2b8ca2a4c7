// Package secret holds the two things that every package does with passwords,
// keys and proofs: compare them without telling where they differ, and print
// them as REDACTED.
package secret

import (
	"crypto/subtle"
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
	same := subtle.ConstantTimeEq(int32(len(presented)), int32(len(expected)))
	var diff byte
	last := len(expected) - 1
	if last < 0 {
		return len(presented) == 0
	}
	for i := range len(presented) {
		// One load for each presented byte, past the end the last one again.
		j := subtle.ConstantTimeSelect(subtle.ConstantTimeLessOrEq(i, last), i, last)
		diff |= presented[i] ^ expected[j]
	}
	return same&subtle.ConstantTimeByteEq(diff, 0) == 1
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
