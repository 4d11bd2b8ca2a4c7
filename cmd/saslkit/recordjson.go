package main

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/sasldb"
)

// One line of export is one object whose members are all strings (RFC 8259). It is
// parsed here and not by encoding/json, which is slower by far and lets through
// what must not be guessed at: it takes the last of two members of one name, names
// in another case, and makes U+FFFD of what is not UTF-8.

// The members of an object, by number.
const (
	memberAuthid = iota
	memberAuthidBase64
	memberRealm
	memberRealmBase64
	memberProperty
	memberPropertyBase64
	memberValue
	members
)

var memberNames = [members]string{"authid", "authid_base64", "realm", "realm_base64", "property", "property_base64", "value_base64"}

// parseRecord reads one line of what users --json --reveal prints.
func parseRecord(line []byte) (sasldb.Record, error) {
	c := cursor.New(line)
	var texts [members]string
	var seen [members]bool
	if !utf8.Valid(line) {
		c.Fail("not UTF-8")
	}
	c.While(jsonBlank)
	c.Expect('{', "expected '{'")
	for separator := byte(','); c.OK() && separator == ','; {
		c.While(jsonBlank)
		member := memberNumber(&c, jsonString(&c), &seen)
		c.While(jsonBlank)
		c.Expect(':', "expected ':'")
		c.While(jsonBlank)
		text := jsonString(&c)
		c.While(jsonBlank)
		if separator = c.Peek(); c.OK() {
			texts[member] = text
		}
		if separator == ',' {
			c.Expect(',', "")
		}
	}
	c.Expect('}', "expected ',' or '}'")
	r := sasldb.Record{
		Authid:   name(&c, memberAuthid, &texts, &seen),
		Realm:    name(&c, memberRealm, &texts, &seen),
		Property: name(&c, memberProperty, &texts, &seen),
		Value:    value(&c, &texts, &seen),
	}
	c.While(jsonBlank)
	if err := c.Err("record"); err != nil {
		return sasldb.Record{}, err
	}
	return r, nil
}

var jsonBlank = cursor.SetOf(func(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' })

// memberNumber finds a member by its name, which may occur once.
func memberNumber(c *cursor.Cursor, name string, seen *[members]bool) int {
	for i, known := range memberNames {
		if known != name {
			continue
		}
		if seen[i] {
			c.Fail(name + " stands there twice")
		}
		seen[i] = true
		return i
	}
	c.Fail("expected the name of a member: " + strings.Join(memberNames[:], ", "))
	return 0
}

// name returns what a name is, in whichever form it stands there.
func name(c *cursor.Cursor, member int, texts *[members]string, seen *[members]bool) string {
	text, encoded := seen[member], seen[member+1]
	switch {
	case text && encoded:
		c.Fail(memberNames[member] + " and " + memberNames[member+1] + " exclude each other")
	case encoded:
		return string(decodedMember(c, member+1, texts))
	case !text:
		c.Fail(memberNames[member] + " is missing")
	case strings.IndexByte(texts[member], 0) >= 0:
		c.Fail(memberNames[member] + " holds NUL")
	}
	return texts[member]
}

func value(c *cursor.Cursor, texts *[members]string, seen *[members]bool) []byte {
	if !seen[memberValue] {
		c.Fail(memberNames[memberValue] + " is missing (users --json shows none without --reveal)")
	}
	return decodedMember(c, memberValue, texts)
}

func decodedMember(c *cursor.Cursor, member int, texts *[members]string) []byte {
	encoded := texts[member]
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := strictBase64.Decode(decoded, []byte(encoded))
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // which the decoder skips
		c.Fail(memberNames[member] + " is not base64")
	}
	if member != memberValue && strings.IndexByte(string(decoded[:n]), 0) >= 0 {
		c.Fail(memberNames[member] + " holds NUL")
	}
	return decoded[:n]
}

var strictBase64 = base64.StdEncoding.Strict()

// jsonPlain are the bytes of a string that stand for themselves.
var jsonPlain = cursor.SetOf(func(b byte) bool { return b >= ' ' && b != '"' && b != '\\' })

// jsonString reads a string. One without escapes is not copied.
func jsonString(c *cursor.Cursor) string {
	c.Expect('"', `expected '"'`)
	text := c.While(jsonPlain)
	if c.Peek() == '\\' {
		text = jsonEscaped(c, text)
	}
	c.Expect('"', `expected '"' or an escape`)
	return text
}

// jsonEscaped goes on where the first escape is.
func jsonEscaped(c *cursor.Cursor, begun string) string {
	text := []byte(begun)
	for c.Peek() == '\\' {
		text = utf8.AppendRune(text, jsonEscape(c))
		text = append(text, c.While(jsonPlain)...)
	}
	return string(text)
}

const (
	jsonEscapes = `"\/bfnrt`
	jsonMeaning = "\"\\/\b\f\n\r\t"
)

func jsonEscape(c *cursor.Cursor) rune {
	c.Expect('\\', `expected '\'`)
	letter := c.Take("the escape ends")
	if i := strings.IndexByte(jsonEscapes, letter); i >= 0 {
		return rune(jsonMeaning[i])
	}
	if letter != 'u' {
		c.Fail("no such escape")
		return 0
	}
	r := jsonHex(c)
	if !utf16.IsSurrogate(r) {
		return r
	}
	c.Expect('\\', "half of a surrogate pair")
	c.Expect('u', "half of a surrogate pair")
	if r = utf16.DecodeRune(r, jsonHex(c)); r == utf8.RuneError {
		c.Fail("half of a surrogate pair")
	}
	return r
}

func jsonHex(c *cursor.Cursor) rune {
	digits := make([]byte, 4)
	for i := range digits {
		digits[i] = c.Take("expected four hex digits")
	}
	n, err := strconv.ParseUint(string(digits), 16, 16)
	if err != nil {
		c.Fail("expected four hex digits")
	}
	return rune(n)
}
