package dovecotauth

import "github.com/saslkit/saslkit/internal/secret"

// ParseServer reads a line of a server, without its LF. It returns nil for a command
// that it does not know. The error is a *cursor.SyntaxError.
func ParseServer(line []byte) (Message, error) {
	p := newParser(line)
	switch p.field() {
	case "VERSION":
		return p.message(Version{p.number(), p.number()})
	case "MECH":
		return p.message(Mech{p.word(), p.params()})
	case "SPID":
		return p.message(SPID(p.word()))
	case "CUID":
		return p.message(CUID(p.word()))
	case "COOKIE":
		return p.message(Cookie{Hex: p.word()})
	case "DONE":
		return p.message(Done{})
	case "OK":
		return p.message(OK{ID: p.number(), Params: p.params()})
	case "CONT":
		return p.message(Cont{ID: p.number(), Data: p.field()})
	case "FAIL":
		return p.message(Fail{ID: p.number(), Params: p.params()})
	}
	return p.message(nil)
}

// An OK is the success of a request. It says who logged in as "user", without which it
// is none. It prints as REDACTED, since Dovecot sends passwords of other servers with it.
type OK struct {
	secret.Opaque
	ID     uint32
	Params Params
}

// Append implements Message.
func (o OK) Append(dst []byte) ([]byte, error) {
	return appendLine(dst, "OK", []string{decimal(o.ID)}, o.Params)
}

// A Fail is the end of a request without success. It prints as REDACTED.
type Fail struct {
	secret.Opaque
	ID     uint32
	Params Params
}

// Append implements Message.
func (f Fail) Append(dst []byte) ([]byte, error) {
	return appendLine(dst, "FAIL", []string{decimal(f.ID)}, f.Params)
}

// What Dovecot says as "code" of a FAIL. Older ones say "temp" and "authz" instead of
// the first two, as parameters of their own.
const (
	CodeTempFail     = "temp_fail"
	CodeAuthzFail    = "authz_fail" // the password of a master user, who may not act as the other
	CodeUserDisabled = "user_disabled"
	CodePassExpired  = "pass_expired"
	CodeBadBase64    = "invalid_base64"
)
