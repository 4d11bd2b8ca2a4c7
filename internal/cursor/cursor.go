// Package cursor reads a message of a text protocol from left to right with
// verbs that read as its grammar. The first failure sticks: every later verb
// returns nothing, and Err tells what was expected where. It never returns a
// slice of the input beyond what was asked for, and never looks back.
package cursor

import "fmt"

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

// A Cursor is a position in a message. The message is not copied.
type Cursor struct {
	b      []byte
	at     int
	failed int
	reason string
}

// New returns a cursor at the start of b.
func New(b []byte) *Cursor { return &Cursor{b: b} }

// Fail makes the cursor fail at its position, unless it already has.
func (c *Cursor) Fail(reason string) { c.failAt(c.at, reason) }

func (c *Cursor) failAt(at int, reason string) {
	if c.reason == "" {
		c.failed, c.reason = at, reason
	}
}

// OK reports whether nothing has failed yet.
func (c *Cursor) OK() bool { return c.reason == "" }

// More reports whether there is something left to read.
func (c *Cursor) More() bool { return c.OK() && c.at < len(c.b) }

// Peek returns the next byte, or 0 at the end or after a failure.
func (c *Cursor) Peek() byte {
	if !c.More() {
		return 0
	}
	return c.b[c.at]
}

// Skip passes over bytes while they are in the set and returns how many.
func (c *Cursor) Skip(set func(byte) bool) int { return len(c.While(set)) }

// While takes bytes while they are in the set; the result may be empty and
// aliases the message.
func (c *Cursor) While(set func(byte) bool) []byte {
	start := c.at
	for c.More() && set(c.b[c.at]) {
		c.at++
	}
	if !c.OK() {
		return nil
	}
	return c.b[start:c.at]
}

// Until takes everything before the next delim and passes over it. A missing
// delim is a failure.
func (c *Cursor) Until(delim byte, missing string) []byte {
	taken := c.While(func(b byte) bool { return b != delim })
	c.Expect(delim, missing)
	if !c.OK() {
		return nil
	}
	return taken
}

// Take takes one byte, whatever it is; at the end that is a failure.
func (c *Cursor) Take(missing string) byte {
	if !c.More() {
		c.Fail(missing)
		return 0
	}
	c.at++
	return c.b[c.at-1]
}

// Expect passes over one byte that must be want.
func (c *Cursor) Expect(want byte, missing string) {
	if c.Peek() != want || !c.More() {
		c.Fail(missing)
		return
	}
	c.at++
}

// Rest takes all that is left; it aliases the message.
func (c *Cursor) Rest() []byte {
	if !c.OK() {
		return nil
	}
	rest := c.b[c.at:]
	c.at = len(c.b)
	return rest
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
