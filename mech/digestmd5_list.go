package mech

import (
	"strings"

	"github.com/saslkit/saslkit/internal/cursor"
)

// The messages of DIGEST-MD5 are comma-separated lists of name=value with the
// white space and empty elements of RFC 2616's #rule (RFC 2831 section 7.1).

// A directive is one name=value. The name is in lower case, the value has its
// quotes and escapes removed and is still in the character set of the message.
type directive struct{ name, value string }

// maxDirectives bounds the elements of one message.
const maxDirectives = 64

// parseDirectives reads a list. Values may be quoted or bare whatever the
// grammar says of the directive: the JDK quotes cipher and not qop, Windows
// quotes qop. The list is appended to space.
func parseDirectives(space []directive, message string, b []byte) ([]directive, error) {
	c := cursor.New(b)
	list := space
	for c.While(listSpace); c.More(); c.While(listSpace) {
		name := c.While(token)
		if name == "" {
			c.Fail("expected the name of a directive")
		}
		c.While(linearSpace)
		c.Expect('=', "expected '=' after the name of a directive")
		c.While(linearSpace)
		value := directiveValue(&c)
		c.While(linearSpace)
		if c.More() && c.Peek() != ',' {
			c.Fail("expected ',' after a directive")
		}
		list = append(list, directive{strings.ToLower(name), value})
		if len(list) > maxDirectives {
			c.Fail("more than 64 directives")
		}
	}
	if len(list) == 0 {
		c.Fail("expected a directive")
	}
	if err := c.Err(message); err != nil {
		return nil, err
	}
	return list, nil
}

func directiveValue(c *cursor.Cursor) string {
	if c.Peek() != '"' {
		bare := c.While(token)
		if bare == "" {
			c.Fail("expected a value")
		}
		return bare
	}
	c.Take("")
	value := c.While(quotedText)
	for c.Peek() == '\\' {
		c.Take("")
		escaped := c.Take("quoted value ends with a backslash")
		if !quotedText[escaped] && escaped != '"' && escaped != '\\' {
			c.Fail("control character in a quoted value")
		}
		value += string([]byte{escaped}) + c.While(quotedText)
	}
	c.Expect('"', "quoted value does not end, or holds a control character")
	return value
}

var (
	linearSpace = cursor.SetOf(func(b byte) bool { return strings.IndexByte(" \t\r\n", b) >= 0 })
	listSpace   = cursor.SetOf(func(b byte) bool { return b == ',' || linearSpace[b] })
	// quotedText is what stands for itself in a quoted value.
	quotedText = cursor.SetOf(func(b byte) bool {
		return b != '"' && b != '\\' && (b >= ' ' || b == '\t') && b != 0x7f
	})
	// token is that of RFC 2831 section 7.1, and '/' beside: bare digest-uris
	// are met. What holds '=' and '+', such as a nonce, comes quoted.
	token = cursor.SetOf(func(b byte) bool {
		return b > ' ' && b < 0x7f && strings.IndexByte(`()<>@,;:\"[]?={}`, b) < 0
	})
	anyHex = cursor.SetOf(func(b byte) bool { return lowerHex[b] || 'A' <= b && b <= 'F' })
)

func appendQuoted(b []byte, name, value string) []byte {
	b = append(append(b, name...), '=', '"')
	for i := range len(value) {
		if value[i] == '"' || value[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, value[i])
	}
	return append(b, '"')
}

// checkOnce refuses a directive that is given a second time.
func checkOnce(message string, list []directive, i int) error {
	for _, earlier := range list[:i] {
		if earlier.name == list[i].name {
			return &SyntaxError{Message: message, Reason: list[i].name + " is given twice"}
		}
	}
	return nil
}
