package ldap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
)

// Bounds on what a server can make us hold. go-ldap builds a tree of each message, in
// which every level has a copy of what is below it and every element takes some 300
// bytes, and has no limit of its own but one for all connections of a process.
const (
	maxMessage  = 256 << 10 // bytes; an entry is asked for a few attributes
	maxDepth    = 12        // a search entry has 5 levels, a result with controls 4
	maxElements = 8192
	// maxControls bounds the third part of a message, in bytes: go-ldap parses what is
	// inside of controls once more, to any depth.
	maxControls = 4096
	// maxAnswer and maxMessages bound what comes between one question and the next, in
	// bytes and messages: a page of users is the longest answer.
	maxAnswer   = 4 << 20
	maxMessages = 2 * pageSize
)

// maxNumber bounds numbers, in bytes. go-ldap takes one that it cannot hold, or none, for 0,
// which as a result code is success.
const (
	maxNumber     = 8
	tagInteger    = 0x02
	tagEnumerated = 0x0a
)

// A guard is a connection of which only whole messages within bounds are read.
type guard struct {
	net.Conn
	r    *bufio.Reader
	rest []byte // of the message that is being read

	bytes, messages atomic.Int64 // since the last question
}

func newGuard(c net.Conn) *guard { return &guard{Conn: c, r: bufio.NewReader(c)} }

// ask begins a question.
func (g *guard) ask() {
	g.bytes.Store(0)
	g.messages.Store(0)
}

// Read implements [net.Conn]. Only one goroutine reads.
func (g *guard) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		message, err := readMessage(g.r)
		if err != nil {
			return 0, err
		}
		if g.bytes.Add(int64(len(message))) > maxAnswer || g.messages.Add(1) > maxMessages {
			return 0, fmt.Errorf("ldap: answer: more than %d bytes or %d messages", maxAnswer, maxMessages)
		}
		g.rest = message
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// readMessage reads one message of RFC 4511 section 4.1.1.
func readMessage(r *bufio.Reader) ([]byte, error) {
	const longest = 2 + 8 // bytes of a tag and a length
	for n := 2; ; n++ {
		head, err := r.Peek(n)
		if err != nil {
			return nil, err
		}
		_, start, length, err := header(head)
		switch {
		case err == errShort && n < longest:
			continue
		case err != nil:
			return nil, fmt.Errorf("ldap: message: %w", err)
		case length > maxMessage:
			return nil, fmt.Errorf("ldap: message: %d bytes, more than %d", length, maxMessage)
		}
		message := make([]byte, start+length)
		if _, err := io.ReadFull(r, message); err != nil {
			return nil, err
		}
		return message, checkMessage(message)
	}
}

var (
	errShort  = errors.New("ends before its length")
	errLength = errors.New("length is not definite, or needs more than 8 bytes")
	errTag    = errors.New("tag of several bytes")
	errDepth  = errors.New("nested too deep")
	errMany   = errors.New("too many elements")
	errNumber = errors.New("a number of no or too many bytes")
	errForm   = errors.New("not a sequence of an id, an operation and controls")
)

// header reads the beginning of an element in BER: whether it holds others, where its
// content begins, and how long that is. Active Directory writes lengths in four bytes
// whatever they are.
func header(b []byte) (constructed bool, start, length int, err error) {
	switch {
	case len(b) < 2:
		return false, 0, 0, errShort
	case b[0]&0x1f == 0x1f:
		return false, 0, 0, errTag
	}
	constructed, start, length = b[0]&0x20 != 0, 2, int(b[1])
	if b[1] < 0x80 {
		return constructed, start, length, nil
	}
	digits := int(b[1] & 0x7f)
	switch {
	case digits == 0 || digits > 8:
		return false, 0, 0, errLength
	case len(b) < start+digits:
		return false, 0, 0, errShort
	}
	var wide [8]byte
	copy(wide[8-digits:], b[start:])
	n := binary.BigEndian.Uint64(wide[:])
	if n > maxMessage {
		n = maxMessage + 1 // nobody needs to know how much more
	}
	return constructed, start + digits, int(n), nil
}

// checkMessage finds out whether a message is what its lengths say, within bounds.
func checkMessage(b []byte) error {
	elements := 0
	if err := checkElement(b, 1, &elements); err != nil {
		return fmt.Errorf("ldap: message: %w", err)
	}
	if b[0] != 0x30 {
		return fmt.Errorf("ldap: message: %w", errForm)
	}
	_, rest, _, _ := header(b)
	b = b[rest:]
	for part := 1; len(b) > 0; part++ {
		_, start, length, _ := header(b)
		if part > 3 || part == 3 && length > maxControls {
			return fmt.Errorf("ldap: message: %w", errForm)
		}
		b = b[start+length:]
	}
	return nil
}

// checkElement checks one element and all within, which must fill b.
func checkElement(b []byte, depth int, elements *int) error {
	if *elements++; *elements > maxElements {
		return errMany
	}
	if depth > maxDepth {
		return errDepth
	}
	constructed, start, length, err := header(b)
	switch {
	case err != nil:
		return err
	case length != len(b)-start:
		return errShort
	case (b[0] == tagInteger || b[0] == tagEnumerated) && (length < 1 || length > maxNumber):
		return errNumber
	case !constructed:
		return nil
	}
	for b = b[start:]; len(b) > 0; {
		_, start, length, err := header(b)
		switch {
		case err != nil:
			return err
		case length > len(b)-start:
			return errShort
		}
		if err := checkElement(b[:start+length], depth+1, elements); err != nil {
			return err
		}
		b = b[start+length:]
	}
	return nil
}
