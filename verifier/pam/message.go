package pam

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
)

// Parent and child take turns. Each message is a frame:
//
//	offset  size  field
//	     0     4  length of what follows, big endian, at most maxFrame
//	     4     …  a request: service, folder, user, password, client address
//	              an answer: verdict (1 byte), changed (1 byte), user, text
//
// where a string is its length in two bytes, big endian, and so many bytes without a
// NUL. The child begins with an answer that greets.
const (
	maxString = 4096 // bytes, the most that a password may have
	maxFrame  = 5 * (2 + maxString)
)

// A request is what a child asks PAM.
type request struct {
	secret.Opaque
	service, folder, user, password, client string // folder and client may be empty
}

// A verdict is what PAM's codes, whose numbers differ from system to system, come to.
type verdict uint8

const (
	unavailable verdict = iota
	accepted
	unknownUser
	wrongPassword
	disabled
	expired
	verdicts // how many there are
)

// An answer is what came of a request, or the greeting.
type answer struct {
	verdict verdict
	changed bool   // the process is not what it was and should not serve again
	user    string // PAM_USER, of who is accepted; of the greeting, the protocol
	text    string // why not, for the log: printable ASCII

	took time.Duration // not in the message: what the parent has waited
}

// protocol is in the greeting. It changes with the form of the messages.
const protocol = "saslkit pam 1"

var (
	errLong      = errors.New("a string is too long")
	errNUL       = errors.New("a string holds a NUL")
	errMalformed = errors.New("malformed message")
)

// append adds the frame of a request.
func (q request) append(b []byte) ([]byte, error) {
	return appendFrame(b, nil, q.service, q.folder, q.user, q.password, q.client)
}

// append adds the frame of an answer.
func (a answer) append(b []byte) ([]byte, error) {
	head := []byte{byte(a.verdict), 0}
	if a.changed {
		head[1] = 1
	}
	return appendFrame(b, head, a.user, a.text)
}

func appendFrame(b, head []byte, strs ...string) ([]byte, error) {
	length := len(head)
	for _, s := range strs {
		switch {
		case len(s) > maxString:
			return nil, errLong
		case strings.Contains(s, "\x00"):
			return nil, errNUL
		}
		length += 2 + len(s)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	b = append(b, head...)
	for _, s := range strs {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return b, nil
}

// parseRequest reads what a frame holds.
func parseRequest(b []byte) (request, error) {
	var q request
	if err := parseStrings(b, &q.service, &q.folder, &q.user, &q.password, &q.client); err != nil {
		return request{}, err
	}
	return q, nil
}

// parseAnswer reads what a frame holds.
func parseAnswer(b []byte) (answer, error) {
	if len(b) < 2 || verdict(b[0]) >= verdicts || b[1] > 1 {
		return answer{}, errMalformed
	}
	a := answer{verdict: verdict(b[0]), changed: b[1] == 1}
	if err := parseStrings(b[2:], &a.user, &a.text); err != nil {
		return answer{}, err
	}
	if strings.ContainsFunc(a.text, unprintable) {
		return answer{}, errMalformed
	}
	return a, nil
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// parseStrings reads all that b holds into so many strings.
func parseStrings(b []byte, strs ...*string) error {
	for _, s := range strs {
		if len(b) < 2 {
			return errMalformed
		}
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; n > maxString || n > len(b) {
			return errMalformed
		}
		*s, b = string(b[:n]), b[n:]
		if strings.Contains(*s, "\x00") {
			return errMalformed
		}
	}
	if len(b) > 0 {
		return errMalformed
	}
	return nil
}

// readFrame reads what the next frame holds. Between two frames the end is io.EOF.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return nil, fmt.Errorf("%w: %d bytes", errMalformed, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}
