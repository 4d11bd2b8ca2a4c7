package main

import (
	"fmt"
	"strconv"
	"strings"
)

// A sieveWord is a part of what a ManageSieve server says (RFC 5804 section 4): an atom,
// a bracket or a string.
type sieveWord struct {
	text     string
	isString bool // quoted or a literal, which mean the same
}

// maxSieveString bounds a string, in bytes: a challenge has at most 12,288 of base64.
const maxSieveString = maxReplyLine

// literalSize returns how many bytes follow a line that ends with "{N}", and whether it
// does.
func literalSize(line string) (size int, is bool, err error) {
	open := strings.LastIndexByte(line, '{')
	if open < 0 || !strings.HasSuffix(line, "}") || open > 0 && line[open-1] != ' ' && line[open-1] != '(' {
		return 0, false, nil
	}
	digits := line[open+1 : len(line)-1]
	n, err := strconv.ParseUint(digits, 10, 32)
	switch {
	case err != nil:
		return 0, false, nil // a brace in a quoted string
	case n > maxSieveString:
		return 0, true, fmt.Errorf("a string of %d bytes", n)
	}
	return int(n), true, nil
}

// parseSieve reads a response, in which literals stand as "{N}", CRLF and N bytes.
func parseSieve(text string) ([]sieveWord, error) {
	var words []sieveWord
	for rest := strings.TrimLeft(text, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		word, after, err := cutSieveWord(rest)
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", len(text)-len(rest), err)
		}
		words, rest = append(words, word), after
	}
	return words, nil
}

func cutSieveWord(text string) (word sieveWord, rest string, err error) {
	switch text[0] {
	case '(', ')':
		return sieveWord{text: text[:1]}, text[1:], nil
	case '"':
		return cutQuoted(text[1:])
	case '{':
		head, rest, found := strings.Cut(text, "\r\n")
		size, is, err := literalSize(head)
		switch {
		case err != nil:
			return sieveWord{}, "", err
		case !found || !is || size > len(rest):
			return sieveWord{}, "", fmt.Errorf("a literal that is not whole")
		}
		return sieveWord{rest[:size], true}, rest[size:], nil
	}
	end := strings.IndexAny(text, " ()\"{\r\n")
	switch {
	case end == 0:
		return sieveWord{}, "", fmt.Errorf("a line break")
	case end < 0:
		end = len(text)
	}
	return sieveWord{text: text[:end]}, text[end:], nil
}

// cutQuoted reads a string behind its first quote.
func cutQuoted(text string) (word sieveWord, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return sieveWord{b.String(), true}, text[i+1:], nil
		case '\\':
			if i++; i == len(text) {
				return sieveWord{}, "", fmt.Errorf("a string that does not end")
			}
		case '\r', '\n':
			return sieveWord{}, "", fmt.Errorf("a line break in a string")
		}
		b.WriteByte(text[i])
	}
	return sieveWord{}, "", fmt.Errorf("a string that does not end")
}

// maxSieveQuoted is the longest quoted string (RFC 5804 section 4), in bytes.
const maxSieveQuoted = 1024

// sieveString writes a string: quoted if it may be.
func sieveString(text string) string {
	if len(text) > maxSieveQuoted || strings.ContainsAny(text, "\r\n\x00") {
		return fmt.Sprintf("{%d+}\r\n%s", len(text), text)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
