package saslprep

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// An Error says where a string breaks which rule. It holds no character of the
// string, so it may be logged even if the string is a password.
type Error struct {
	Offset int    // bytes from the start of the string given, before any mapping
	Reason string // the rule, with its table in RFC 3454
}

func (e *Error) Error() string {
	return fmt.Sprintf("saslprep: byte %d: %s", e.Offset, e.Reason)
}

// Query prepares a string that a peer sent or a user typed. Code points that
// Unicode 3.2 had not assigned are kept. The result is valid UTF-8, may be
// empty, and does not change when prepared again. An error is an [*Error] and
// comes with the empty string. Query may be called concurrently.
func Query(s string) (string, error) {
	if IsPrintableASCII(s) {
		return s, nil
	}
	cs, err := prepare(s)
	if err != nil {
		return "", err
	}
	return encode(cs), nil
}

// Stored prepares a string that is to be written to a database, as [Query]
// does, but refuses code points that Unicode 3.2 had not assigned.
func Stored(s string) (string, error) {
	if IsPrintableASCII(s) {
		return s, nil
	}
	cs, err := prepare(s)
	if err != nil {
		return "", err
	}
	if err := checkAssigned(cs); err != nil {
		return "", err
	}
	return encode(cs), nil
}

// IsPrintableASCII reports whether s consists of U+0020 to U+007E only, which
// both profiles leave as they are.
func IsPrintableASCII[S ~string | ~[]byte](s S) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// prepare does what Query and Stored have in common, in the order of RFC 4013
// section 2.
func prepare(s string) ([]char, error) {
	cs, err := decode(s)
	if err != nil {
		return nil, err
	}
	cs = nfkc(mapped(cs))
	if err := checkProhibited(cs, saslprepProhibits); err != nil {
		return nil, err
	}
	if err := checkBidi(cs); err != nil {
		return nil, err
	}
	return cs, nil
}

// A char is one character on its way through the steps.
type char struct {
	r   rune
	ccc uint8 // canonical combining class in Unicode 3.2; set by decompose
	at  int   // offset in the input of the character it came from, in bytes
}

// decode splits s into characters.
func decode(s string) ([]char, error) {
	cs := make([]char, 0, utf8.RuneCountInString(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return nil, &Error{Offset: i, Reason: "not valid UTF-8"}
		}
		cs = append(cs, char{r: r, at: i})
		i += size
	}
	return cs, nil
}

// encode is the opposite of decode.
func encode(cs []char) string {
	var b strings.Builder
	b.Grow(len(cs) * 2) // most scripts of names have two bytes a letter
	for _, c := range cs {
		b.WriteRune(c.r)
	}
	return b.String()
}

// mapped is RFC 4013 section 2.1, in place. The space comes first, because
// U+200B is in both tables.
func mapped(cs []char) []char {
	out := cs[:0]
	for _, c := range cs {
		switch {
		case stringprep.TableC1_2.Contains(c.r):
			c.r = ' '
		case tableB1.Contains(c.r):
			continue
		}
		out = append(out, c)
	}
	return out
}

// Password prepares a password as [Query] does, or returns one that Query
// refuses as it came: what a user could once set must not stop working.
func Password(s string) string {
	prepared, err := Query(s)
	if err != nil {
		return s
	}
	return prepared
}
