package dovecotauth

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/cursor"
)

// MaxLine is the longest line, in bytes with its LF. It is Dovecot's limit, for every
// mechanism.
const MaxLine = 16384

// maxParams bounds the parameters of a message. Dovecot's own have fewer than 40.
const maxParams = 256

// A Message is what one line says. Its type is one of this package's that have Append.
type Message interface {
	// Append appends the message as a line with its LF. What cannot be said in
	// one is refused, and dst is returned as it was.
	Append(dst []byte) ([]byte, error)
}

var (
	errLong   = errors.New("dovecotauth: line: longer than 16384 bytes")
	errEmpty  = errors.New("dovecotauth: line: a field is empty that must not be")
	errParams = errors.New("dovecotauth: line: more than 256 parameters")
)

// appendLine writes a command, its required fields and its parameters.
func appendLine(dst []byte, command string, required []string, params Params) ([]byte, error) {
	if len(params) > maxParams {
		return dst, errParams
	}
	line := append(dst, command...)
	for _, f := range required {
		line = appendField(append(line, '\t'), f)
	}
	for _, p := range params {
		if p == "" { // a reader passes over it
			return dst, errEmpty
		}
		line = appendField(append(line, '\t'), p)
	}
	line = append(line, '\n')
	if len(line)-len(dst) > MaxLine {
		return dst, errLong
	}
	return line, nil
}

// appendWord writes a command with one field that must not be empty.
func appendWord(dst []byte, command, word string) ([]byte, error) {
	if word == "" {
		return dst, errEmpty
	}
	return appendLine(dst, command, []string{word}, nil)
}

// appendField escapes.
func appendField(dst []byte, field string) []byte {
	for i := range len(field) {
		switch c := field[i]; c {
		case 0:
			dst = append(dst, 1, '0')
		case 1:
			dst = append(dst, 1, '1')
		case '\t':
			dst = append(dst, 1, 't')
		case '\n':
			dst = append(dst, 1, 'n')
		case '\r':
			dst = append(dst, 1, 'r')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// A parser takes the fields of a line. The first failure sticks: later fields are
// empty.
type parser struct {
	line []byte
	at   int // of the next field; beyond the end if there is none
	err  error
}

func newParser(line []byte) parser {
	p := parser{line: line}
	if len(line) >= MaxLine {
		p.fail(MaxLine, "too long")
	}
	if i := bytes.IndexAny(line, "\x00\r\n"); i >= 0 {
		p.fail(i, "NUL, CR and LF must be escaped")
	}
	return p
}

func (p *parser) fail(at int, reason string) {
	if p.err == nil {
		p.err = &cursor.SyntaxError{Message: "line of the auth protocol", Offset: at, Reason: reason}
	}
}

// more reports whether there is another field.
func (p *parser) more() bool { return p.err == nil && p.at <= len(p.line) }

// field takes a field, which may be empty.
func (p *parser) field() string {
	if !p.more() {
		p.fail(len(p.line), "a field is missing")
		return ""
	}
	rest := p.line[p.at:]
	if i := bytes.IndexByte(rest, '\t'); i >= 0 {
		rest = rest[:i]
	}
	start := p.at
	p.at += len(rest) + 1
	if bytes.IndexByte(rest, 1) < 0 {
		return string(rest)
	}
	return p.unescaped(start, rest)
}

// unescaped refuses what nobody writes: Dovecot takes an unknown escape for the byte
// after it.
func (p *parser) unescaped(start int, field []byte) string {
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == 1 {
			i++
			known := -1
			if i < len(field) {
				known = strings.IndexByte("01tnr", field[i])
			}
			if known < 0 {
				p.fail(start+i-1, "not an escape")
				return ""
			}
			c = "\x00\x01\t\n\r"[known]
		}
		b.WriteByte(c)
	}
	return b.String()
}

// word takes a field that must not be empty.
func (p *parser) word() string {
	start := p.at
	w := p.field()
	if w == "" {
		p.fail(start, "a field is empty")
	}
	return w
}

// number takes a decimal number of 32 bits.
func (p *parser) number() uint32 {
	start := p.at
	n, err := strconv.ParseUint(p.field(), 10, 32)
	if err != nil {
		p.fail(start, "expected a number of 32 bits")
	}
	return uint32(n)
}

// params takes all that is left. Empty fields, which Dovecot writes where parameters
// are hidden from the reader, are passed over.
func (p *parser) params() Params {
	var all Params
	for p.more() {
		start := p.at
		if f := p.field(); f != "" {
			all = append(all, f)
		}
		if len(all) > maxParams {
			p.fail(start, "too many parameters")
		}
	}
	return all
}

// message returns what was parsed, or the failure.
func (p *parser) message(m Message) (Message, error) {
	if p.err != nil {
		return nil, p.err
	}
	return m, nil
}

// Params are parameters, each "name" or "name=value" without escapes. They may hold
// passwords: print the message, not them.
type Params []string

// Value returns the value of the first parameter of a name, "" for one without a
// value. ok reports whether there is one.
func (p Params) Value(name string) (value string, ok bool) {
	for _, f := range p {
		n, v, _ := strings.Cut(f, "=")
		if n == name {
			return v, true
		}
	}
	return "", false
}

// Has reports whether there is a parameter of a name, with a value or without.
func (p Params) Has(name string) bool {
	_, ok := p.Value(name)
	return ok
}
