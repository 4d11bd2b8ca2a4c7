package scram

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/saslkit/saslkit/internal/cursor"
)

// A Record is what is kept of a password. Programs write it in three forms:
//
//	SCRAM-SHA-256$4096:SALT$STOREDKEY:SERVERKEY               RFC 5803, Cyrus, PostgreSQL
//	{SCRAM-SHA-256}4096,SALT,STOREDKEY,SERVERKEY              Dovecot, GNU SASL
//	salt=SALT,stored_key=STOREDKEY,server_key=SERVERKEY,iterations=4096    Kafka
//
// The count is decimal without leading zeros, the others are base64 with padding.
// The first may have blanks at its ends and around '$' (RFC 3112 section 2), which
// nobody writes. The last does not name its hash.
type Record struct {
	Hash       Hash
	Iterations int
	Salt       []byte
	StoredKey  []byte // checks a proof, but makes none
	ServerKey  []byte // proves the server to the client
}

// New makes the record of a password, with 1 to MaxSalt bytes of salt and 1 to
// MaxIterations iterations.
func New(ctx context.Context, h Hash, password string, salt []byte, iterations int) (Record, error) {
	switch {
	case len(salt) < 1 || len(salt) > MaxSalt:
		return Record{}, fmt.Errorf("scram: salt of %d bytes, want 1 to %d", len(salt), MaxSalt)
	case iterations < 1 || iterations > MaxIterations:
		return Record{}, fmt.Errorf("scram: %d iterations, want 1 to %d", iterations, MaxIterations)
	}
	salted, err := h.Salted(ctx, password, salt, iterations)
	if err != nil {
		return Record{}, err
	}
	r := Record{Hash: h, Iterations: iterations, Salt: salt}
	r.StoredKey, r.ServerKey = h.Keys(salted)
	return r, nil
}

const (
	recordName = "SCRAM keys"
	// maxRecord is longer than any record within the bounds, in bytes.
	maxRecord = 2048
)

// Parse reads a record in RFC 5803's or Dovecot's form.
func Parse(text []byte) (Record, error) {
	p := newParser(text)
	if len(text) > 0 && text[0] == '{' {
		return p.dovecot()
	}
	return p.rfc5803()
}

// ParseKafka reads a record in Kafka's form.
func ParseKafka(h Hash, text []byte) (Record, error) {
	p := newParser(text)
	r := Record{Hash: h}
	p.literal("salt=")
	r.Salt = p.base64(',', 1, MaxSalt)
	p.literal(",stored_key=")
	r.StoredKey = p.base64(',', h.Size(), h.Size())
	p.literal(",server_key=")
	r.ServerKey = p.base64(',', h.Size(), h.Size())
	p.literal(",iterations=")
	r.Iterations = p.count()
	return p.end(r)
}

// A parser reads a record without copying it: one is read at each login. The first
// failure sticks.
type parser struct {
	text   []byte
	at     int
	room   []byte // for what is decoded
	failed error
}

func newParser(text []byte) parser {
	if len(text) > maxRecord {
		return parser{failed: &cursor.SyntaxError{Message: recordName, Offset: maxRecord, Reason: "too long"}}
	}
	return parser{text: text, room: make([]byte, 0, base64.StdEncoding.DecodedLen(len(text)))}
}

func (p *parser) fail(reason string) {
	if p.failed == nil {
		p.failed = &cursor.SyntaxError{Message: recordName, Offset: p.at, Reason: reason}
	}
}

func (p *parser) rfc5803() (Record, error) {
	p.blanks()
	r := Record{Hash: p.hash()}
	p.dollar()
	r.Iterations = p.count()
	p.literal(":")
	r.Salt = p.base64('$', 1, MaxSalt)
	p.dollar()
	r.StoredKey = p.base64(':', r.Hash.Size(), r.Hash.Size())
	p.literal(":")
	r.ServerKey = p.base64(' ', r.Hash.Size(), r.Hash.Size())
	p.blanks()
	return p.end(r)
}

func (p *parser) dovecot() (Record, error) {
	p.literal("{")
	r := Record{Hash: p.hash()}
	p.literal("}")
	r.Iterations = p.count()
	p.literal(",")
	r.Salt = p.base64(',', 1, MaxSalt)
	p.literal(",")
	r.StoredKey = p.base64(',', r.Hash.Size(), r.Hash.Size())
	p.literal(",")
	r.ServerKey = p.base64(',', r.Hash.Size(), r.Hash.Size())
	return p.end(r)
}

func (p *parser) end(r Record) (Record, error) {
	if p.at < len(p.text) {
		p.fail("nothing more is allowed here")
	}
	if p.failed != nil {
		return Record{}, p.failed
	}
	return r, nil
}

// while takes bytes while they are in a set.
func (p *parser) while(set *cursor.Set) []byte {
	start := p.at
	for p.failed == nil && p.at < len(p.text) && set[p.text[p.at]] {
		p.at++
	}
	return p.text[start:p.at]
}

var (
	blank        = cursor.SetOf(func(b byte) bool { return b == ' ' })
	nameByte     = cursor.SetOf(func(b byte) bool { return 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' })
	digit        = cursor.SetOf(func(b byte) bool { return '0' <= b && b <= '9' })
	strictBase64 = base64.StdEncoding.Strict() // RFC 4648 section 3.5: the bits that count for nothing are zero
)

func (p *parser) blanks() { p.while(blank) }

func (p *parser) dollar() {
	p.blanks()
	p.literal("$")
	p.blanks()
}

func (p *parser) literal(want string) {
	if rest := p.text[p.at:]; p.failed == nil && len(rest) >= len(want) && string(rest[:len(want)]) == want {
		p.at += len(want)
		return
	}
	p.fail("expected " + strconv.Quote(want))
}

func (p *parser) hash() Hash {
	h, ok := ByName(p.while(nameByte))
	if !ok {
		p.fail("not the name of a SCRAM mechanism")
	}
	return h
}

// count reads an iteration count (RFC 5802 section 7, posit-number).
func (p *parser) count() int {
	n, ok := Count(p.while(digit))
	if !ok || n > MaxIterations {
		p.fail("expected an iteration count from 1 to 10000000")
	}
	return n
}

// Count reads a number without sign and leading zeros that is not 0. One that is
// out of bounds comes out as more than MaxIterations.
func Count(digits []byte) (n int, ok bool) {
	if len(digits) == 0 || digits[0] == '0' {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = min(n*10+int(d-'0'), MaxIterations+1)
	}
	return n, true
}

// base64 reads up to a byte, a blank before it, or the end.
func (p *parser) base64(end byte, least, most int) []byte {
	if p.failed != nil {
		return nil
	}
	text := p.text[p.at:]
	if i := bytes.IndexByte(text, end); i >= 0 {
		text = text[:i]
	}
	if end == '$' {
		text = bytes.TrimRight(text, " ")
	}
	start := len(p.room)
	var err error
	if p.room, err = AppendDecoded(p.room, text); err != nil {
		p.fail("not base64")
		return nil
	}
	p.at += len(text)
	decoded := p.room[start:len(p.room):len(p.room)]
	if len(decoded) < least || len(decoded) > most {
		p.fail("a value of this length is not allowed")
	}
	return decoded
}

// AppendDecoded decodes standard base64 with padding, strictly: of each value
// there is one form (RFC 4648 section 3.5), and no line breaks, which Go's decoder
// skips.
func AppendDecoded(dst, text []byte) ([]byte, error) {
	for _, skipped := range [...]byte{'\r', '\n'} {
		if i := bytes.IndexByte(text, skipped); i >= 0 {
			return dst, base64.CorruptInputError(i)
		}
	}
	return strictBase64.AppendDecode(dst, text)
}

// Pack is the record without what its kind says, as package verifier hands it out:
//
//	offset  size  field
//	     0     4  iteration count, big endian
//	     4     n  StoredKey
//	   4+n     n  ServerKey
//	  4+2n    1+  salt
//
// n is the size of the hash. Nothing has to be decoded at a login.
func (r Record) Pack() []byte {
	b := make([]byte, 0, 4+2*r.Hash.Size()+len(r.Salt))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Iterations))
	return append(append(append(b, r.StoredKey...), r.ServerKey...), r.Salt...)
}

// Unpack is the reverse. Parts of the record are parts of the value.
func Unpack(h Hash, value []byte) (Record, error) {
	n := h.Size()
	if len(value) < 4+2*n+1 || len(value) > 4+2*n+MaxSalt {
		return Record{}, fmt.Errorf("scram: %d bytes are not %s keys with a salt", len(value), h.Name())
	}
	r := Record{Hash: h, Iterations: int(binary.BigEndian.Uint32(value)), StoredKey: value[4 : 4+n], ServerKey: value[4+n : 4+2*n], Salt: value[4+2*n:]}
	if r.Iterations < 1 || r.Iterations > MaxIterations {
		return Record{}, fmt.Errorf("scram: %d iterations, want 1 to %d", uint32(r.Iterations), MaxIterations)
	}
	return r, nil
}

// Append writes the form of RFC 5803.
func (r Record) Append(b []byte) []byte {
	b = append(append(b, r.Hash.Name()...), '$')
	b = append(strconv.AppendInt(b, int64(r.Iterations), 10), ':')
	b = append(base64.StdEncoding.AppendEncode(b, r.Salt), '$')
	b = append(base64.StdEncoding.AppendEncode(b, r.StoredKey), ':')
	return base64.StdEncoding.AppendEncode(b, r.ServerKey)
}

// AppendDovecot writes Dovecot's form.
func (r Record) AppendDovecot(b []byte) []byte {
	b = append(append(append(b, '{'), r.Hash.Name()...), '}')
	b = append(strconv.AppendInt(b, int64(r.Iterations), 10), ',')
	b = append(base64.StdEncoding.AppendEncode(b, r.Salt), ',')
	b = append(base64.StdEncoding.AppendEncode(b, r.StoredKey), ',')
	return base64.StdEncoding.AppendEncode(b, r.ServerKey)
}

// AppendKafka writes Kafka's form.
func (r Record) AppendKafka(b []byte) []byte {
	b = base64.StdEncoding.AppendEncode(append(b, "salt="...), r.Salt)
	b = base64.StdEncoding.AppendEncode(append(b, ",stored_key="...), r.StoredKey)
	b = base64.StdEncoding.AppendEncode(append(b, ",server_key="...), r.ServerKey)
	return strconv.AppendInt(append(b, ",iterations="...), int64(r.Iterations), 10)
}
