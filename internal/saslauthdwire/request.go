package saslauthdwire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
)

const (
	// DefaultMaxField is the most that saslauthd 2.1.28 takes in a field, in bytes.
	DefaultMaxField = 256
	// MaxField is the most that a site may raise it to.
	MaxField = 1024
	// MaxRequest is the longest request there can be, in bytes.
	MaxRequest = int(fields) * (2 + MaxField)
)

// A Field is one of a request, in their order.
type Field uint8

// The fields.
const (
	Login Field = iota
	Password
	Service
	Realm
	Client

	fields
)

func (f Field) String() string {
	if f < fields {
		return [...]string{"login", "password", "service", "realm", "client address"}[f]
	}
	return fmt.Sprintf("field %d", uint8(f))
}

// A Form says how many fields a request has.
type Form uint8

// The forms.
const (
	FourFields Form = iota // as libsasl 2.1.28 sends it
	FiveFields             // with the client's address, as 2.2 does
)

// A Request asks whether a password is right. It prints as REDACTED.
type Request struct {
	secret.Opaque
	Form                            Form
	Login, Password, Service, Realm string
	Client                          string // "ip;port"; "" if it is not known or the form has none
}

func (r *Request) fields() [fields]*string {
	return [...]*string{&r.Login, &r.Password, &r.Service, &r.Realm, &r.Client}
}

// ErrIncomplete: what there is may become a request or a reply, but more is needed.
// It matches io.ErrUnexpectedEOF, for that is what it means if no more comes.
var ErrIncomplete = fmt.Errorf("more is needed: %w", io.ErrUnexpectedEOF)

// ErrTrailing: there is something behind a whole request.
var ErrTrailing = errors.New("more than one request")

// A FieldError says why a field cannot be sent or is not taken. It does not quote
// it. A field that is within its limit and not empty holds a NUL.
type FieldError struct {
	Field     Field
	Size, Max int // in bytes
}

func (e *FieldError) Error() string {
	switch {
	case e.Size == 0:
		return e.Field.String() + " is empty"
	case e.Size > e.Max:
		return fmt.Sprintf("%v of %d bytes is longer than the %d that are taken", e.Field, e.Size, e.Max)
	}
	return e.Field.String() + " holds a NUL"
}

// check refuses what the daemon does, which asks no back end for an empty login or
// with an empty password, and a NUL.
func check(f Field, s string, most int) error {
	if len(s) > most || len(s) == 0 && f <= Password || strings.IndexByte(s, 0) >= 0 {
		return &FieldError{f, len(s), most}
	}
	return nil
}

// AppendRequest appends a request of which no field is longer than most bytes,
// which counts as MaxField if it is over that. On a *FieldError nothing is appended.
func AppendRequest(b []byte, r Request, most int) ([]byte, error) {
	most = min(most, MaxField)
	begin := len(b)
	for i, value := range r.fields() {
		f := Field(i)
		if f == Client && r.Form == FourFields {
			break
		}
		if err := check(f, *value, most); err != nil {
			return b[:begin], err
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(*value)))
		b = append(b, *value...)
	}
	return b, nil
}

// ParseRequest reads a request of which no field is longer than most bytes, which
// counts as MaxField if it is over that. It returns ErrIncomplete when b is the
// beginning of one, at once a *FieldError when a field is too long, whether or not
// it is there, and ErrTrailing.
//
// Four fields are whole, and so are the same with a fifth: whether to wait for it
// is for the caller to decide.
func ParseRequest(b []byte, most int) (Request, error) {
	most = min(most, MaxField)
	var r Request
	for i, value := range r.fields() {
		f := Field(i)
		if f == Client && len(b) == 0 {
			return r, nil
		}
		if len(b) < 2 {
			return Request{}, ErrIncomplete
		}
		size := int(binary.BigEndian.Uint16(b))
		if size > most {
			return Request{}, &FieldError{f, size, most}
		}
		if len(b) < 2+size {
			return Request{}, ErrIncomplete
		}
		*value = string(b[2 : 2+size])
		if err := check(f, *value, most); err != nil {
			return Request{}, err
		}
		b = b[2+size:]
	}
	r.Form = FiveFields
	if len(b) > 0 {
		return Request{}, ErrTrailing
	}
	return r, nil
}
