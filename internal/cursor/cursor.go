// Package cursor reads a message of a text protocol from left to right with
// verbs that read as its grammar. The first failure sticks: every later verb
// returns nothing, and Err tells what was expected where. It never looks back.
package cursor

import (
	"fmt"
	"strings"
)

// A SyntaxError says where a message departs from its grammar. It never quotes
// the message, which may hold a password.
type SyntaxError struct {
	Message string // which message, such as "digest-response"
	Offset  int    // bytes from its start
	Reason  string // what was expected or is not allowed
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s: byte %d: %s", e.Message, e.Offset, e.Reason)
}

// A Cursor is a position in a message.
type Cursor struct {
	s      string
	at     int
	failed int
	reason string
}

// New returns a cursor at the start of a message. It copies the message once;
// what the verbs take are parts of this copy.
func New(message []byte) Cursor { return Cursor{s: string(message)} }

// Fail makes the cursor fail at its position, unless it already has.
func (c *Cursor) Fail(reason string) {
	if c.reason == "" {
		c.failed, c.reason = c.at, reason
	}
}

// OK reports whether nothing has failed yet.
func (c *Cursor) OK() bool { return c.reason == "" }

// More reports whether there is something left to read.
func (c *Cursor) More() bool { return c.reason == "" && c.at < len(c.s) }

// Offset is the position, in bytes from the start of the message.
func (c *Cursor) Offset() int { return c.at }

// Since returns what was read from an offset on.
func (c *Cursor) Since(offset int) string { return c.s[offset:c.at] }

// Peek returns the next byte, or 0 at the end or after a failure.
func (c *Cursor) Peek() byte {
	if !c.More() {
		return 0
	}
	return c.s[c.at]
}

// A Set is a set of bytes.
type Set [256]bool

// SetOf returns the set of the bytes for which in holds.
func SetOf(in func(byte) bool) *Set {
	var s Set
	for b := range len(s) {
		s[b] = in(byte(b))
	}
	return &s
}

// Holds reports whether all bytes of a string are in the set.
func (set *Set) Holds(s string) bool {
	for i := range len(s) {
		if !set[s[i]] {
			return false
		}
	}
	return true
}

// While takes bytes while they are in the set; the result may be empty.
func (c *Cursor) While(set *Set) string {
	if !c.OK() {
		return ""
	}
	end := c.at
	for end < len(c.s) && set[c.s[end]] {
		end++
	}
	taken := c.s[c.at:end]
	c.at = end
	return taken
}

// Until takes what is before a byte, or all that is left; the result may be empty.
func (c *Cursor) Until(b byte) string {
	if !c.OK() {
		return ""
	}
	taken := c.s[c.at:]
	if i := strings.IndexByte(taken, b); i >= 0 {
		taken = taken[:i]
	}
	c.at += len(taken)
	return taken
}

// Take takes one byte, whatever it is; at the end that is a failure.
func (c *Cursor) Take(missing string) byte {
	if !c.More() {
		c.Fail(missing)
		return 0
	}
	c.at++
	return c.s[c.at-1]
}

// Expect passes over one byte that must be want.
func (c *Cursor) Expect(want byte, missing string) {
	if !c.More() || c.s[c.at] != want {
		c.Fail(missing)
		return
	}
	c.at++
}

// Err returns nil, or a *SyntaxError with the first failure. A message that was
// not read to its end is a failure too.
func (c *Cursor) Err(message string) error {
	if c.More() {
		c.Fail("nothing more is allowed here")
	}
	if c.OK() {
		return nil
	}
	return &SyntaxError{Message: message, Offset: c.failed, Reason: c.reason}
}
