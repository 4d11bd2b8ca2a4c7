package mech

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/internal/scram"
)

// The messages of SCRAM (RFC 5802 section 7). The order of attributes is fixed.
//
//	client-first  gs2-header "n=" name ",r=" nonce *("," ext)
//	gs2-header    ("n" / "y" / "p=" binding) "," ["a=" authzid] ","
//	server-first  "r=" nonce ",s=" salt ",i=" count *("," ext)
//	client-final  "c=" base64(gs2-header data) ",r=" nonce *("," ext) ",p=" proof
//	server-final  ("v=" signature / "e=" error) *("," ext)
//
// An extension is a letter, "=" and a value. Those that we do not know are passed
// over, but count in the proofs; "m=" says that they must not be passed over, and
// since we know none it ends the exchange.

const (
	maxSCRAMNonce = 1024 // bytes, of each side's part
	maxExtensions = 64
)

// A scramClientFirst is the client's first message.
type scramClientFirst struct {
	flag       byte   // 'n', 'y' or 'p'
	binding    string // the type, with 'p'
	authzid    string // "" if there is none
	user       string
	nonce      string
	extensions string // with the commas before them

	header int    // length of the gs2-header, in bytes
	whole  string // the message
}

// bare is the message without the gs2-header.
func (m *scramClientFirst) bare() string { return m.whole[m.header:] }

func parseSCRAMClientFirst(b []byte) (scramClientFirst, error) {
	s := newSCRAMCursor("SCRAM client-first-message", b)
	m := scramClientFirst{flag: s.Take("expected a channel-binding flag")}
	switch m.flag {
	case 'n', 'y':
	case 'p':
		s.Expect('=', "expected '='")
		m.binding = s.filled(bindingByte, "expected a type of channel binding")
	default:
		s.Fail("expected n, y or p")
	}
	s.comma()
	if s.Peek() == 'a' {
		m.authzid = s.name('a')
	}
	s.comma()
	m.header = s.Offset()
	s.refuseMandatory()
	m.user = s.name('n')
	s.comma()
	m.nonce = s.nonce(maxSCRAMNonce)
	m.extensions = s.extensions(0)
	if err := s.end(); err != nil {
		return scramClientFirst{}, err
	}
	m.whole = s.Since(0)
	return m, nil
}

func (m scramClientFirst) append(b []byte) []byte {
	b = append(b, m.flag)
	if m.flag == 'p' {
		b = append(append(b, '='), m.binding...)
	}
	b = append(b, ',')
	if m.authzid != "" {
		b = appendSCRAMName(append(b, "a="...), m.authzid)
	}
	b = appendSCRAMName(append(b, ",n="...), m.user)
	b = append(append(b, ",r="...), m.nonce...)
	return append(b, m.extensions...)
}

// A scramServerFirst is the server's first message.
type scramServerFirst struct {
	nonce      string // of both sides
	salt       []byte
	iterations int // over scram.MaxIterations: as many or more
	extensions string
}

func parseSCRAMServerFirst(b []byte) (scramServerFirst, error) {
	if bytes.HasPrefix(b, []byte("e=")) {
		return scramServerFirst{}, scramServerError(b)
	}
	s := newSCRAMCursor("SCRAM server-first-message", b)
	s.refuseMandatory()
	m := scramServerFirst{nonce: s.nonce(2 * maxSCRAMNonce)}
	s.comma()
	switch _, m.salt = s.base64('s', nil, "malformed"); {
	case len(m.salt) == 0:
		s.Fail("expected a salt")
	case len(m.salt) > scram.MaxSalt:
		s.code(Limit, "too-long", "a salt has at most 1024 bytes")
	}
	s.comma()
	s.attribute('i')
	n, ok := scram.Count([]byte(s.While(decimalDigit)))
	if m.iterations = n; !ok {
		s.Fail("expected a number without sign and leading zeros")
	}
	m.extensions = s.extensions(0)
	if err := s.end(); err != nil {
		return scramServerFirst{}, err
	}
	return m, nil
}

func (m scramServerFirst) append(b []byte) []byte {
	return m.appendRest(append(append(b, "r="...), m.nonce...))
}

// appendRest appends what follows the nonce.
func (m scramServerFirst) appendRest(b []byte) []byte {
	b = base64.StdEncoding.AppendEncode(append(b, ",s="...), m.salt)
	b = strconv.AppendInt(append(b, ",i="...), int64(m.iterations), 10)
	return append(b, m.extensions...)
}

// A scramClientFinal is the client's second message.
type scramClientFinal struct {
	binding    string // gs2-header and channel-binding data, in base64
	nonce      string
	extensions string
	size       int // of the proof, in bytes
	proof      [scram.MaxSize]byte
}

// parseSCRAMClientFinal checks that the binding is base64, of which there is one form
// only, and leaves it encoded: so nothing is allocated for it.
func parseSCRAMClientFinal(b []byte) (scramClientFinal, error) {
	s := newSCRAMCursor("SCRAM client-final-message", b)
	s.refuseMandatory()
	var room [128]byte
	m := scramClientFinal{}
	m.binding, _ = s.base64('c', room[:0], "invalid-encoding")
	s.comma()
	m.nonce = s.nonce(2 * maxSCRAMNonce)
	m.extensions = s.extensions('p')
	_, proof := s.base64('p', room[:0], "invalid-encoding")
	if m.size = copy(m.proof[:], proof); m.size < len(proof) {
		s.code(Malformed, "invalid-encoding", "a proof longer than any hash")
	}
	if err := s.end(); err != nil {
		return scramClientFinal{}, err
	}
	return m, nil
}

// appendWithoutProof is what the proof is made over.
func (m *scramClientFinal) appendWithoutProof(b []byte) []byte {
	b = append(append(b, "c="...), m.binding...)
	b = append(append(b, ",r="...), m.nonce...)
	return append(b, m.extensions...)
}

func (m scramClientFinal) append(b []byte) []byte {
	return base64.StdEncoding.AppendEncode(append(m.appendWithoutProof(b), ",p="...), m.proof[:m.size])
}

// A scramServerFinal is the server's second message. That the server says no is an
// error of the parser.
type scramServerFinal struct {
	signature  []byte
	extensions string
}

func parseSCRAMServerFinal(b []byte) (scramServerFinal, error) {
	if bytes.HasPrefix(b, []byte("e=")) {
		return scramServerFinal{}, scramServerError(b)
	}
	s := newSCRAMCursor("SCRAM server-final-message", b)
	s.refuseMandatory()
	m := scramServerFinal{}
	_, m.signature = s.base64('v', nil, "malformed")
	m.extensions = s.extensions(0)
	if err := s.end(); err != nil {
		return scramServerFinal{}, err
	}
	return m, nil
}

func (m scramServerFinal) append(b []byte) []byte {
	b = slices.Grow(b, len("v=")+base64.StdEncoding.EncodedLen(len(m.signature))+len(m.extensions))
	return append(base64.StdEncoding.AppendEncode(append(b, "v="...), m.signature), m.extensions...)
}

// shownError bounds what is repeated of a server's error, in bytes.
const shownError = 128

// scramServerError is the error for "e=text". The text goes to the log: printable
// ASCII only.
func scramServerError(b []byte) error {
	text, _, _ := strings.Cut(string(b[2:min(len(b), 2+shownError)]), ",")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return &Error{Class: ServerRefused, Code: "server-error", Err: errors.New("mech: the server says " + strconv.Quote(text))}
}

// A scramCursor reads attributes. The first failure sticks, with its code.
type scramCursor struct {
	cursor.Cursor
	message string
	class   Class
	fault   string // the code, if it is another than malformed
}

func newSCRAMCursor(message string, b []byte) scramCursor {
	s := scramCursor{Cursor: cursor.New(b), message: message}
	if i := bytes.IndexByte(b, 0); i >= 0 || !utf8.Valid(b) {
		s.code(Malformed, "invalid-encoding", "not UTF-8 without NUL")
	}
	return s
}

// code fails with another code than malformed.
func (s *scramCursor) code(class Class, code, reason string) {
	if s.OK() {
		s.class, s.fault = class, code
		s.Fail(reason)
	}
}

// end returns the first failure as an *Error. What is left over is one.
func (s *scramCursor) end() error {
	err := s.Err(s.message)
	if err == nil {
		return nil
	}
	if s.fault == "" {
		return malformed("malformed", err)
	}
	return &Error{Class: s.class, Code: s.fault, Err: err}
}

var (
	letter       = cursor.SetOf(isLetter)
	decimalDigit = cursor.SetOf(func(b byte) bool { return '0' <= b && b <= '9' })
	bindingByte  = cursor.SetOf(func(b byte) bool { return isLetter(b) || '0' <= b && b <= '9' || b == '.' || b == '-' })
	nonceByte    = cursor.SetOf(func(b byte) bool { return '!' <= b && b <= '~' && b != ',' })
)

func isLetter(b byte) bool { return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' }

func (s *scramCursor) comma() { s.Expect(',', "expected ','") }

// attribute passes over the letter and "=" that begin an attribute.
func (s *scramCursor) attribute(name byte) {
	s.Expect(name, "expected another attribute")
	s.Expect('=', "expected '='")
}

// filled takes one byte of the set or more.
func (s *scramCursor) filled(set *cursor.Set, missing string) string {
	taken := s.While(set)
	if taken == "" {
		s.Fail(missing)
	}
	return taken
}

// refuseMandatory looks for an extension that must not be passed over.
func (s *scramCursor) refuseMandatory() {
	if s.Peek() == 'm' {
		s.code(Malformed, "extensions-not-supported", "a mandatory extension")
	}
}

// name reads a saslname: ',' is written "=2C" and '=' is written "=3D".
func (s *scramCursor) name(attribute byte) string {
	s.attribute(attribute)
	raw := s.Until(',')
	if raw == "" {
		s.Fail("expected a name")
	}
	name, ok := unescapeSCRAMName(raw)
	if !ok {
		s.code(Malformed, "invalid-username-encoding", "'=' begins neither =2C nor =3D")
	}
	return name
}

func unescapeSCRAMName(raw string) (name string, ok bool) {
	if strings.IndexByte(raw, '=') < 0 {
		return raw, true
	}
	for text := raw; ; {
		plain, escaped, found := strings.Cut(text, "=")
		name += plain
		switch {
		case !found:
			return name, true
		case strings.HasPrefix(escaped, "2C"):
			name += ","
		case strings.HasPrefix(escaped, "3D"):
			name += "="
		default:
			return "", false
		}
		text = escaped[2:]
	}
}

func appendSCRAMName(b []byte, name string) []byte {
	for i := range len(name) {
		switch c := name[i]; c {
		case ',':
			b = append(b, "=2C"...)
		case '=':
			b = append(b, "=3D"...)
		default:
			b = append(b, c)
		}
	}
	return b
}

func (s *scramCursor) nonce(most int) string {
	s.attribute('r')
	nonce := s.filled(nonceByte, "expected a nonce")
	if len(nonce) > most {
		s.code(Limit, "too-long", "a nonce has at most 1024 bytes")
	}
	return nonce
}

// base64 reads an attribute whose value is base64. It returns the text
// and, decoded into the room, the value.
func (s *scramCursor) base64(attribute byte, room []byte, fault string) (text string, value []byte) {
	s.attribute(attribute)
	text = s.Until(',')
	var copied [128]byte // on the stack, unlike what []byte(text) would be
	value, err := scram.AppendDecoded(room, append(copied[:0], text...))
	if err != nil {
		s.code(Malformed, fault, "expected base64")
	}
	return text, value
}

// reserved are the letters of attributes that have their own places.
const reserved = "anmrcsipve"

// extensions reads extensions, with the commas before them, up to the end; or past
// the comma before the last attribute, if there is one.
func (s *scramCursor) extensions(last byte) string {
	start := s.Offset()
	for n := 0; s.More(); n++ {
		end := s.Offset()
		s.comma()
		name := s.Peek()
		switch {
		case name == last && last != 0:
			return s.Since(start)[:end-start]
		case name == 'm':
			s.code(Malformed, "extensions-not-supported", "a mandatory extension")
		case n == maxExtensions:
			s.code(Limit, "too-long", "more than 64 extensions")
		case !letter[name] || strings.IndexByte(reserved, name) >= 0:
			s.Fail("expected an extension")
		}
		s.Take("expected an extension")
		s.Expect('=', "expected '='")
		if s.Until(',') == "" {
			s.Fail("expected a value")
		}
	}
	return s.Since(start)
}
