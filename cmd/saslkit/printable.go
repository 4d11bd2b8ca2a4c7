package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Names in a file and what a server says are written by strangers. On a
// terminal, control characters in them would move the cursor, change its title
// or hide the rest of the line.

// shown is the text with everything that is not printable escaped as in a Go
// string: for sentences.
func shown(text string) string {
	if isPrintable(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if isPrintableRune(r, size) {
			b.WriteString(text[:size])
		} else {
			quoted := strconv.Quote(text[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return b.String()
}

// quoted is the name as it stands or, if that could be misread, as a Go string
// in quotes: for results, where every name must stay recognisable.
func quoted(name string) string {
	if q := strconv.Quote(name); q[1:len(q)-1] != name {
		return q
	}
	return name
}

// field is quoted for a result whose fields are separated by spaces.
func field(name string) string {
	if strings.Contains(name, " ") {
		return strconv.Quote(name)
	}
	return quoted(name)
}

// printableJSON escapes what encoding/json leaves as it is, above all DEL, the
// C1 controls and marks that turn the direction of writing. It changes nothing
// outside strings, which holds printable ASCII only.
func printableJSON(object []byte) []byte {
	if isPrintable(string(object)) {
		return object
	}
	var b []byte
	for len(object) > 0 {
		r, size := utf8.DecodeRune(object)
		switch {
		case isPrintableRune(r, size):
			b = append(b, object[:size]...)
		case r > 0xffff:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00 // UTF-16, as JSON has it
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		object = object[size:]
	}
	return b
}

func isPrintable(text string) bool {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if !isPrintableRune(r, size) {
			return false
		}
		i += size
	}
	return true
}

func isPrintableRune(r rune, size int) bool {
	return strconv.IsPrint(r) && !(r == utf8.RuneError && size == 1)
}
