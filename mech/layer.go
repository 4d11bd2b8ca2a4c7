package mech

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/internal/digestlayer"
	"github.com/saslkit/saslkit/internal/secret"
)

// Layers says which security layers may be negotiated (RFC 4422 section 3.7): what
// protects the octets after a login, in place of TLS. The zero value is none, as
// most protocols have it today. Whoever sets it must put the layer on the connection
// when the login has succeeded; SMTP and IMAP hosts with go-sasl's interfaces cannot.
//
// Strength is counted as Cyrus SASL counts its SSF: 0 is nothing, 1 is integrity, and
// more is the bits of a key that encrypts as well.
//
// Who sits between the two ends can take strong layers out of what a server offers,
// and nothing notices: only what is weaker than Min is refused.
type Layers struct {
	Min int // a login that ends with less fails
	Max int // nothing stronger is negotiated; 0: no layer
	// Ciphers are those of DIGEST-MD5 that may be used: rc4 (128), 3des (112), rc4-56,
	// des (55), rc4-40. Nil: rc4 and 3des. The strongest that both sides have is used.
	Ciphers []string
	// MaxBuffer bounds a packet that we receive, in bytes: 256 to 16,777,215; 0 means
	// 65,536. A connection keeps no more than one packet, and one of at most 65,536
	// bytes that it sends.
	MaxBuffer int
}

// Bounds of a packet, in bytes without its length.
const (
	defaultLayerBuffer = 65536 // RFC 2831 section 2.1.1
	minLayerBuffer     = 256
	maxLayerBuffer     = 1<<24 - 1
)

// defaultCiphers are those whose keys cannot be tried out in a day.
var defaultCiphers = []string{"rc4", "3des"}

// ErrLayers: the limits of layers contradict themselves.
var ErrLayers = errors.New("mech: security layers")

// Validate says what contradicts itself or is out of bounds; the error matches [ErrLayers].
func (l Layers) Validate() error {
	for _, name := range l.Ciphers {
		if digestlayer.ByName(name) == nil {
			return fmt.Errorf("%w: no cipher %q (known: %s)", ErrLayers, name, knownCiphers())
		}
	}
	switch {
	case l.Min < 0 || l.Max < 0:
		return fmt.Errorf("%w: a strength of less than 0", ErrLayers)
	case l.Min > l.Max:
		return fmt.Errorf("%w: a strength of at least %d and at most %d", ErrLayers, l.Min, l.Max)
	case l.MaxBuffer != 0 && (l.MaxBuffer < minLayerBuffer || l.MaxBuffer > maxLayerBuffer):
		return fmt.Errorf("%w: a buffer of %d bytes, want %d to %d", ErrLayers, l.MaxBuffer, minLayerBuffer, maxLayerBuffer)
	}
	return nil
}

func knownCiphers() string {
	var names []string
	for _, c := range digestlayer.Ciphers() {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

// Strongest is the strength of the strongest layer that a mechanism can negotiate
// within the limits; 0 if it has none.
func (l Layers) Strongest(m *Mechanism) int {
	if m.strongest == nil {
		return 0
	}
	return m.strongest(l)
}

// layers are the limits of a server.
func (c *ServerConfig) layers() Layers {
	if c.Layers == nil {
		return Layers{}
	}
	return *c.Layers
}

// permits reports whether a strength lies within the limits.
func (l Layers) permits(strength int) bool { return l.Min <= strength && strength <= l.Max }

func (l Layers) buffer() int { return within(l.MaxBuffer, defaultLayerBuffer, maxLayerBuffer) }

// ciphers are those that lie within the limits, strongest first.
func (l Layers) ciphers() []*digestlayer.Cipher {
	names := l.Ciphers
	if names == nil {
		names = defaultCiphers
	}
	var list []*digestlayer.Cipher
	for _, c := range digestlayer.Ciphers() {
		if l.permits(c.Strength) && slices.Contains(names, c.Name) {
			list = append(list, c)
		}
	}
	return list
}

// A Layer is a security layer that an exchange has negotiated. It is put on one
// connection, once: its sequence numbers and key streams begin there. It prints as
// REDACTED.
type Layer struct {
	secret.Opaque
	Name     string // "auth-int", "auth-conf with rc4"
	Strength int    // see Layers

	Sealer   Sealer
	Opener   Opener
	MaxPlain int // bytes of a message that we send, at least 1
	// MaxPacket bounds the packets that we receive, in bytes without their length.
	MaxPacket int
}

// Layered is implemented by servers that may negotiate a security layer.
type Layered interface {
	// Layer is what was negotiated, once the exchange has succeeded; nil for nothing.
	Layer() *Layer
}

// LayerOf returns what the server of an exchange that has succeeded negotiated to
// protect the connection from now on; nil for nothing.
func LayerOf(s Server) *Layer {
	if l, ok := s.(Layered); ok {
		return l.Layer()
	}
	return nil
}

// A Sealer protects what is sent. It is used from one goroutine at a time.
type Sealer interface {
	// Seal appends the packet of a message, without its length.
	Seal(packet, message []byte) ([]byte, error)
}

// An Opener opens what was received. It is used from one goroutine at a time.
type Opener interface {
	// Open returns the message of a packet. It may overwrite the packet, and what it
	// returns may be part of it.
	Open(packet []byte) (message []byte, err error)
}
