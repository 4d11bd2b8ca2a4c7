package mech

import (
	"crypto/md5"
	"errors"
	"slices"

	"github.com/saslkit/saslkit/internal/digestlayer"
)

// The values of qop, RFC 2831 section 2.1.1.
const (
	qopAuth = "auth"
	qopInt  = "auth-int"
	qopConf = "auth-conf"
)

// A digestQOP is one way to protect what follows: qop and, for auth-conf, a cipher.
type digestQOP struct {
	name   string
	cipher *digestlayer.Cipher
}

func (q digestQOP) cipherName() string {
	if q.cipher == nil {
		return ""
	}
	return q.cipher.Name
}

var digestAuthOnly = []digestQOP{{name: qopAuth}}

// digestQOPs are what the limits permit, strongest first. The result is not to be
// changed.
func (l Layers) digestQOPs() []digestQOP {
	if l.Min <= 0 && l.Max <= 0 {
		return digestAuthOnly
	}
	var list []digestQOP
	for _, c := range l.ciphers() {
		list = append(list, digestQOP{qopConf, c})
	}
	if l.permits(1) {
		list = append(list, digestQOP{name: qopInt})
	}
	if l.permits(0) {
		list = append(list, digestQOP{name: qopAuth})
	}
	return list
}

// strongestDigestLayer is that of DIGEST-MD5's row.
func strongestDigestLayer(l Layers) int {
	for _, q := range l.digestQOPs() {
		return q.strength()
	}
	return 0
}

func (q digestQOP) strength() int {
	switch {
	case q.cipher != nil:
		return q.cipher.Strength
	case q.name == qopInt:
		return 1
	}
	return 0
}

// offer writes into a challenge what a server permits. With nothing but auth there
// are no ciphers and no maxbuf.
func (c *digestChallenge) offer(qops []digestQOP, l Layers) {
	if l.Max <= 0 {
		c.qops = authOnly
		return
	}
	for _, q := range qops {
		if !slices.Contains(c.qops, q.name) {
			c.qops = append(c.qops, q.name)
		}
		if q.cipher != nil {
			c.ciphers = append(c.ciphers, q.cipher.Name)
		}
		if q.name != qopAuth {
			c.buffer = l.announced()
		}
	}
	slices.Reverse(c.qops) // the order of RFC 2831's examples
}

// announced is the maxbuf to send; 0 for the default, which need not be said.
func (l Layers) announced() int {
	if n := l.buffer(); n != defaultLayerBuffer {
		return n
	}
	return 0
}

// layer is what the two sides agreed on; nil for auth.
func (q digestQOP) layer(ha1 [md5.Size]byte, side digestlayer.Side, own Layers, peerBuffer int) (*Layer, error) {
	if q.name == qopAuth {
		return nil, nil
	}
	out, in, err := digestlayer.New(ha1, q.cipher, side)
	if err != nil {
		return nil, err
	}
	l := &Layer{
		Name: q.name, Strength: q.strength(), Sealer: out, Opener: in,
		MaxPlain: q.room(peerBuffer), MaxPacket: own.buffer(),
	}
	if q.cipher != nil {
		l.Name += " with " + q.cipher.Name
	}
	return l, nil
}

// room is how many bytes of a message fit into a packet for a peer; less than 1 if
// nothing does. Cyrus's server counts the length of the packet too, its client and
// the JDK do not: we leave it free, unless there is no room without.
func (q digestQOP) room(peerBuffer int) int {
	if peerBuffer == 0 {
		peerBuffer = defaultLayerBuffer
	}
	limit := min(peerBuffer, maxSent)
	if n := digestlayer.Room(q.cipher, limit-lengthSize); n > 0 {
		return n
	}
	return digestlayer.Room(q.cipher, limit)
}

// fits is the error for a peer whose maxbuf is too small for any packet.
func (q digestQOP) fits(peerBuffer int) error {
	if q.name != qopAuth && q.room(peerBuffer) < 1 {
		return malformed("bad-qop", errors.New("mech: maxbuf leaves no room for a packet"))
	}
	return nil
}
