package saslkit

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/saslkit/saslkit/internal/secret"
)

// A Key is secret bytes of a configuration, such as [Authenticator.DecoyKey]. It prints as
// REDACTED, whatever the verb or the encoder.
type Key []byte

// Format implements [fmt.Formatter].
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, secret.Redacted) }

// LogValue implements [slog.LogValuer].
func (Key) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// MarshalText keeps encoders from writing the key.
func (Key) MarshalText() ([]byte, error) { return []byte(secret.Redacted), nil }
