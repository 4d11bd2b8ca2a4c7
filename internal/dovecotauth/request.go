package dovecotauth

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
)

// ParseClient reads a line of a client, without its LF. It returns nil for a command
// that it does not know. The error is a *cursor.SyntaxError.
func ParseClient(line []byte) (Message, error) {
	p := newParser(line)
	switch p.field() {
	case "VERSION":
		return p.message(Version{p.number(), p.number()})
	case "CPID":
		return p.message(CPID(p.word()))
	case "AUTH":
		return p.message(p.auth())
	case "CONT":
		return p.message(Cont{ID: p.number(), Data: p.field()})
	case "CANCEL":
		return p.message(Cancel{p.number()})
	}
	return p.message(nil)
}

// An Auth begins an exchange. It prints as REDACTED.
type Auth struct {
	secret.Opaque
	ID          uint32
	Mechanism   string
	Service     string // "smtp", "imap"; must be said, but may be empty
	Params      Params // the others but resp
	HasResponse bool
	Response    string // resp as it was sent; see InitialResponse
}

const (
	serviceParam = "service="
	respParam    = "resp="
)

var errResp = errors.New("dovecotauth: AUTH: resp among the parameters (it is a field of its own)")

// Append implements Message. The response goes last, as it must.
func (a Auth) Append(dst []byte) ([]byte, error) {
	if a.Mechanism == "" {
		return dst, errEmpty
	}
	params := make(Params, 0, 2+len(a.Params))
	params = append(append(params, serviceParam+a.Service), a.Params...)
	for _, p := range a.Params {
		if strings.HasPrefix(p, respParam) {
			return dst, errResp
		}
	}
	if a.HasResponse {
		params = append(params, respParam+a.Response)
	}
	return appendLine(dst, "AUTH", []string{decimal(a.ID), a.Mechanism}, params)
}

// InitialResponse decodes the response: nil if there is none, and not nil if it is
// empty. An empty resp, which Exim sends where it has none, is one to clients that
// speak a minor version of 2 and up; "=" always is. What is not base64 is the fault of
// this request only, and none of its connection.
func (a Auth) InitialResponse(minor uint32) ([]byte, error) {
	switch {
	case !a.HasResponse, a.Response == "" && minor < 2:
		return nil, nil
	case a.Response == "=":
		return []byte{}, nil
	}
	return decode(a.Response)
}

func (p *parser) auth() Auth {
	a := Auth{ID: p.number(), Mechanism: p.word()}
	served := false
	for n := 0; p.more(); n++ {
		start := p.at
		f := p.field()
		service, isService := strings.CutPrefix(f, serviceParam)
		response, isResponse := strings.CutPrefix(f, respParam)
		switch {
		case n == maxParams:
			p.fail(start, "too many parameters")
		case isResponse:
			a.HasResponse, a.Response = true, response
			if p.more() {
				p.fail(p.at, "nothing may follow resp") // Dovecot closes the connection for it
			}
		case isService && !served:
			a.Service, served = service, true
		case f != "":
			a.Params = append(a.Params, f)
		}
	}
	if !served {
		p.fail(len(p.line), "no service")
	}
	return a
}

// A Cont goes on with an exchange: a challenge if the server says it, a response if the
// client does. It prints as REDACTED.
type Cont struct {
	secret.Opaque
	ID   uint32
	Data string // base64, as it was sent
}

// Append implements Message. An empty message leaves a TAB at the end.
func (c Cont) Append(dst []byte) ([]byte, error) {
	return appendLine(dst, "CONT", []string{decimal(c.ID), c.Data}, nil)
}

// Message decodes the data; it is not nil.
func (c Cont) Message() ([]byte, error) { return decode(c.Data) }

// A Cancel ends a request without an answer. Servers of minor version 0 do not know it.
type Cancel struct{ ID uint32 }

// Append implements Message.
func (c Cancel) Append(dst []byte) ([]byte, error) {
	return appendLine(dst, "CANCEL", []string{decimal(c.ID)}, nil)
}

var (
	strict    = base64.StdEncoding.Strict()
	errBase64 = errors.New("dovecotauth: message: not base64")
)

// Encode makes the text of a message.
func Encode(message []byte) string { return base64.StdEncoding.EncodeToString(message) }

// decode takes the one form that a message has (RFC 4648 section 3.5). Go's decoder
// would skip line breaks.
func decode(text string) ([]byte, error) {
	b, err := strict.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errBase64 // not where: that would tell about a password
	}
	return b, nil
}
