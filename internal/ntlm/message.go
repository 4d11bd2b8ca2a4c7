package ntlm

import (
	"crypto/md5"
	"encoding/binary"

	"github.com/saslkit/saslkit/internal/cursor"
)

// Flags say what a side can do, or what it does (MS-NLMP section 2.2.2.5).
type Flags uint32

const (
	Unicode          Flags = 0x00000001 // names are UTF-16
	OEM              Flags = 0x00000002 // names are in some code page
	RequestTarget    Flags = 0x00000004
	NTLM             Flags = 0x00000200
	AlwaysSign       Flags = 0x00008000
	TargetDomain     Flags = 0x00010000 // the target name is a domain's
	ExtendedSecurity Flags = 0x00080000 // NTLM2 session, where the answer is of version 1
	HasTargetInfo    Flags = 0x00800000
)

const (
	signature = "NTLMSSP\x00"

	negotiateSize    = 16 // to the end of the flags
	negotiateNamed   = 32 // with domain and workstation
	challengeSize    = 40 // to the end of the unused bytes
	challengeInfo    = 48 // with target info
	authenticateSize = 64 // to the end of the flags
	micOffset        = 72
	micSize          = 16
	authenticateMIC  = micOffset + micSize
)

// A reader reads one message. The first failure sticks.
type reader struct {
	b       []byte
	message string
	header  int // bytes into which no buffer may reach
	first   int // where the payload begins, so far
	err     *cursor.SyntaxError
}

func (r *reader) fail(offset int, reason string) {
	if r.err == nil {
		r.err = &cursor.SyntaxError{Message: r.message, Offset: min(offset, len(r.b)), Reason: reason}
	}
}

// open checks length, signature and type.
func open(message string, b []byte, kind uint32, header int) *reader {
	r := &reader{b: b, message: message, header: header, first: len(b)}
	switch {
	case len(b) < header:
		r.fail(len(b), "ends within its header")
	case string(b[:len(signature)]) != signature:
		r.fail(0, "expected NTLMSSP")
	case binary.LittleEndian.Uint32(b[8:]) != kind:
		r.fail(8, "is of another type")
	}
	return r
}

func (r *reader) flags(at int) Flags {
	if r.err != nil {
		return 0
	}
	return Flags(binary.LittleEndian.Uint32(r.b[at:]))
}

// buffer returns what a security buffer within the header points to, a part of the
// message. The sum is of 64 bits, which no length and offset can overflow. Of an empty
// one the offset means nothing, and is often wrong.
func (r *reader) buffer(at int) []byte {
	if r.err != nil {
		return nil
	}
	length, offset := binary.LittleEndian.Uint16(r.b[at:]), binary.LittleEndian.Uint32(r.b[at+4:])
	switch end := uint64(offset) + uint64(length); {
	case length == 0:
		return nil
	case end > uint64(len(r.b)):
		r.fail(at, "points past the end")
		return nil
	case uint64(offset) < uint64(r.header):
		r.fail(at, "points into the header")
		return nil
	default:
		r.first = min(r.first, int(offset))
		return r.b[offset:end:end]
	}
}

// name is a buffer that holds UTF-16.
func (r *reader) name(at int) string {
	b := r.buffer(at)
	s, ok := decodeUTF16(b)
	if !ok {
		r.fail(at, "is not UTF-16")
	}
	return s
}

// A writer puts a message together.
type writer struct {
	b     []byte
	start int // of the message within b
}

// begin appends a header of zeros but for signature and type.
func begin(b []byte, kind uint32, header int) *writer {
	w := &writer{b: b, start: len(b)}
	w.b = append(append(w.b, signature...), make([]byte, header-len(signature))...)
	binary.LittleEndian.PutUint32(w.b[w.start+8:], kind)
	return w
}

func (w *writer) flags(at int, f Flags) { binary.LittleEndian.PutUint32(w.b[w.start+at:], uint32(f)) }

// buffer appends a value to the payload and points to it from the header. A value of
// more than 65,535 bytes cannot be said; limits keep them far below.
func (w *writer) buffer(at int, value []byte) {
	header := w.b[w.start+at:]
	binary.LittleEndian.PutUint16(header, uint16(len(value)))
	binary.LittleEndian.PutUint16(header[2:], uint16(len(value)))
	binary.LittleEndian.PutUint32(header[4:], uint32(len(w.b)-w.start))
	w.b = append(w.b, value...)
}

func (w *writer) name(at int, s string) { w.buffer(at, appendUTF16(nil, s)) }

// Negotiate is the client's first message.
type Negotiate struct {
	Flags Flags
	// Domain and Workstation are what the client says of itself in some code page.
	// They serve nothing.
	Domain, Workstation []byte
}

// ParseNegotiate reads a first message. The error is a *cursor.SyntaxError. The
// result holds parts of b.
func ParseNegotiate(b []byte) (Negotiate, error) {
	r := open("NTLM NEGOTIATE", b, 1, negotiateSize)
	m := Negotiate{Flags: r.flags(12)}
	if len(b) >= negotiateNamed {
		r.header = negotiateNamed
		m.Domain, m.Workstation = r.buffer(16), r.buffer(24)
	}
	if r.err != nil {
		return Negotiate{}, r.err
	}
	return m, nil
}

// Append appends the message.
func (m Negotiate) Append(b []byte) []byte {
	w := begin(b, 1, negotiateNamed)
	w.flags(12, m.Flags)
	w.buffer(16, m.Domain)
	w.buffer(24, m.Workstation)
	return w.b
}

// Challenge is the server's message.
type Challenge struct {
	Flags  Flags
	Target string // the server's domain, or its own name
	Nonce  Nonce
	Info   Info // nil if the flags do not say that there is any
}

// A Nonce is the challenge itself, of either side.
type Nonce [8]byte

// ParseChallenge reads the server's message. The error is a *cursor.SyntaxError. The
// result holds parts of b.
func ParseChallenge(b []byte) (Challenge, error) {
	r := open("NTLM CHALLENGE", b, 2, challengeSize)
	m := Challenge{Flags: r.flags(20)}
	if r.err == nil {
		m.Nonce = Nonce(b[24:])
	}
	if m.Flags&HasTargetInfo != 0 {
		if len(b) < challengeInfo {
			r.fail(len(b), "ends within its header")
		}
		r.header = challengeInfo
		m.Info = Info(r.buffer(40))
		if reason := m.Info.check(); reason != "" {
			r.fail(40, reason)
		}
	}
	if m.Flags&Unicode == 0 {
		r.fail(20, "is not Unicode")
	}
	m.Target = r.name(12)
	if r.err != nil {
		return Challenge{}, r.err
	}
	return m, nil
}

// Append appends the message.
func (m Challenge) Append(b []byte) []byte {
	w := begin(b, 2, challengeInfo)
	w.flags(20, m.Flags)
	copy(w.b[w.start+24:], m.Nonce[:])
	w.name(12, m.Target)
	w.buffer(40, m.Info)
	return w.b
}

// Authenticate is the client's second message.
type Authenticate struct {
	Flags                     Flags
	Domain, User, Workstation string
	LM, NT                    []byte // the responses
	SessionKey                []byte
	MIC                       *[micSize]byte // nil if the header has no room for one
}

// ParseAuthenticate reads the client's second message, which must be in Unicode. The
// error is a *cursor.SyntaxError. The result holds parts of b.
func ParseAuthenticate(b []byte) (Authenticate, error) {
	r := open("NTLM AUTHENTICATE", b, 3, authenticateSize)
	m := Authenticate{Flags: r.flags(60)}
	if m.Flags&Unicode == 0 {
		r.fail(60, "is not Unicode")
	}
	m.LM, m.NT = r.buffer(12), r.buffer(20)
	m.Domain, m.User, m.Workstation = r.name(28), r.name(36), r.name(44)
	m.SessionKey = r.buffer(52)
	if r.err != nil {
		return Authenticate{}, r.err
	}
	if r.first >= authenticateMIC {
		mic := [micSize]byte(b[micOffset:])
		m.MIC = &mic
	}
	return m, nil
}

// Append appends the message, with its integrity code if it has one.
func (m Authenticate) Append(b []byte) []byte {
	header := authenticateSize
	if m.MIC != nil {
		header = authenticateMIC
	}
	w := begin(b, 3, header)
	w.flags(60, m.Flags)
	if m.MIC != nil {
		copy(w.b[w.start+micOffset:], m.MIC[:])
	}
	w.name(28, m.Domain)
	w.name(36, m.User)
	w.name(44, m.Workstation)
	w.buffer(12, m.LM)
	w.buffer(20, m.NT)
	w.buffer(52, m.SessionKey)
	return w.b
}

// AppendSigned appends the message with its integrity code.
func (m Authenticate) AppendSigned(b []byte, key Key, proof [md5.Size]byte, negotiate, challenge []byte) []byte {
	m.MIC = new([micSize]byte)
	start := len(b)
	b = m.Append(b)
	mic := MIC(key, proof, negotiate, challenge, b[start:])
	copy(b[start+micOffset:], mic[:])
	return b
}
