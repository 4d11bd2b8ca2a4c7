package digestlayer

import (
	"crypto/des"
	"crypto/md5"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/saslkit/saslkit/internal/secret"
)

const (
	trailerSize = 6 // type and sequence number
	messageType = 1
	// Overhead is the most that a packet is longer than its message, in octets.
	Overhead = des.BlockSize + tagSize + trailerSize
)

var (
	// ErrPacket is the one error for every fault in a packet.
	ErrPacket = errors.New("digestlayer: the packet is not what the peer sent")
	// ErrExhausted: there are no more sequence numbers.
	ErrExhausted = errors.New("digestlayer: 4,294,967,296 packets were sent (open a new connection)")
)

// A Side is one of the two ends of a connection.
type Side uint8

const (
	Client Side = iota
	Server
)

// sender is where the packets of a direction come from, as the keys call it.
func (s Side) sender() string {
	if s == Server {
		return "server-to-client"
	}
	return "client-to-server"
}

// peer is the other end.
func (s Side) peer() Side { return Client + Server - s }

// New returns what protects the packets that a side sends and opens those that it
// receives. The cipher is nil for auth-int.
func New(ha1 [md5.Size]byte, c *Cipher, side Side) (*Sealer, *Opener, error) {
	out, err := newDirection(ha1, c, side, false)
	if err != nil {
		return nil, nil, err
	}
	in, err := newDirection(ha1, c, side.peer(), true)
	if err != nil {
		return nil, nil, err
	}
	return &Sealer{direction: out}, &Opener{direction: in}, nil
}

// A direction is what both ends of it have in common.
type direction struct {
	secret.Opaque
	mac   *mac
	crypt crypt // nil: auth-int
	block bool
	next  uint64 // sequence number
}

func newDirection(ha1 [md5.Size]byte, c *Cipher, from Side, decrypt bool) (direction, error) {
	d := direction{mac: newMAC(signingKey(ha1, from))}
	if c == nil {
		return d, nil
	}
	key := sealingKey(ha1, c, from)
	var err error
	d.crypt, err = c.make(key[:], decrypt)
	d.block = c.block
	return d, err
}

// signingKey is Kic or Kis of RFC 2831 section 2.3.
func signingKey(ha1 [md5.Size]byte, from Side) [md5.Size]byte {
	return md5.Sum(append(ha1[:], "Digest session key to "+from.sender()+" signing key magic constant"...))
}

// sealingKey is Kcc or Kcs of RFC 2831 section 2.4.
func sealingKey(ha1 [md5.Size]byte, c *Cipher, from Side) [md5.Size]byte {
	b := slices.Clone(ha1[:c.hashed])
	return md5.Sum(append(b, "Digest H(A1) to "+from.sender()+" sealing key magic constant"...))
}

// Room is how many octets a message may have in a packet of at most limit octets, its
// length not counted. It is 0 or less if there is no room.
func Room(c *Cipher, limit int) int {
	if c != nil && c.block {
		return (limit-trailerSize)&^(des.BlockSize-1) - tagSize - 1
	}
	return limit - tagSize - trailerSize
}

// A Sealer makes the packets of one direction. It is used from one goroutine at a
// time.
type Sealer struct{ direction }

// Seal appends the packet of a message. They may not overlap.
func (s *Sealer) Seal(packet, message []byte) ([]byte, error) {
	if s.next >= 1<<32 {
		return nil, ErrExhausted
	}
	sequence := uint32(s.next)
	s.next++
	s.mac.begin(sequence)
	s.mac.h.Write(message)
	tag := s.mac.end()

	packet = slices.Grow(packet, len(message)+Overhead)
	start := len(packet)
	packet = append(packet, message...)
	if s.block {
		n := des.BlockSize - (len(message)+tagSize)%des.BlockSize
		for range n {
			packet = append(packet, byte(n))
		}
	}
	packet = append(packet, tag[:]...)
	if s.crypt != nil {
		s.crypt(packet[start:], packet[start:])
	}
	packet = binary.BigEndian.AppendUint16(packet, messageType)
	return binary.BigEndian.AppendUint32(packet, sequence), nil
}

// An Opener opens the packets of one direction. It is used from one goroutine at a
// time. After an error there are only errors.
type Opener struct {
	direction
	failed bool
}

// Open checks a packet and returns its message, which is a part of the packet. The
// packet is overwritten. The only error is ErrPacket.
func (o *Opener) Open(packet []byte) ([]byte, error) {
	message, ok := o.open(packet)
	if !ok {
		o.failed = true
		return nil, ErrPacket
	}
	return message, nil
}

func (o *Opener) open(packet []byte) ([]byte, bool) {
	n := len(packet) - trailerSize
	if o.failed || o.next >= 1<<32 || n < tagSize || o.block && (n%des.BlockSize != 0 || n < tagSize+1) {
		return nil, false
	}
	body, trailer := packet[:n], packet[n:]
	sequence := uint32(o.next)
	o.next++
	if binary.BigEndian.Uint16(trailer) != messageType || binary.BigEndian.Uint32(trailer[2:]) != sequence {
		return nil, false
	}
	if o.crypt != nil {
		o.crypt(body, body)
	}
	padded, tag := body[:n-tagSize], body[n-tagSize:]
	if o.block {
		return o.unpad(sequence, padded, tag)
	}
	o.mac.begin(sequence)
	o.mac.h.Write(padded)
	want := o.mac.end()
	return padded, secret.Equal(tag, want[:])
}

// unpad finds the message whose padding and MAC are right. It computes the MACs of
// all that there might be, so that neither the time nor the error tells how long the
// padding is, or whether it is the padding or the MAC that is wrong: that would be
// enough to decrypt what is sent again and again.
func (o *Opener) unpad(sequence uint32, padded, tag []byte) ([]byte, bool) {
	var space [stateSize]byte
	most := min(len(padded), des.BlockSize)
	common := len(padded) - most
	o.mac.begin(sequence)
	o.mac.h.Write(padded[:common])
	state := o.mac.save(space[:0])
	found, length := 0, 0
	for n := 1; n <= most; n++ {
		o.mac.restore(state)
		o.mac.h.Write(padded[common : len(padded)-n])
		want := o.mac.end()
		good := subtle.ConstantTimeCompare(tag, want[:])
		for _, b := range padded[len(padded)-n:] {
			good &= subtle.ConstantTimeByteEq(b, byte(n))
		}
		found |= good
		length = subtle.ConstantTimeSelect(good, len(padded)-n, length)
	}
	return padded[:length], found == 1
}
