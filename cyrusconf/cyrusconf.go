// Package cyrusconf reads the configuration files of applications that use Cyrus
// SASL, such as /etc/sasl2/smtpd.conf:
//
//	pwcheck_method: auxprop
//	auxprop_plugin: sasldb
//	mech_list: plain scram-sha-256
//
// [Find] says which file an application has, and [Parse] reads one.
//
// # Form
//
// A line is a key, a colon that touches it, and a value; blanks may stand before
// the key and around the value. Keys consist of ASCII letters, digits, '-' and '_',
// and their case does not matter. The value goes to the end of the line: there are
// no quotes and no comments behind it. A line that is blank or begins with '#' says
// nothing.
//
// What Cyrus refuses is refused here, and tells the line; Cyrus gives up on the
// whole library ("error when parsing configuration file") and does not say where.
// Refused as well is what Cyrus reads differently from how it looks: it cuts a line
// at a NUL, and one of more than 4,095 bytes into two.
package cyrusconf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxLine = 4095    // bytes without the newline: what Cyrus's buffer holds
	maxFile = 1 << 20 // bytes; a real file has a few hundred
)

// A Setting is one line of a file.
type Setting struct {
	Key   string // in lower case; Cyrus takes an empty one, which nothing asks for
	Value string // not empty; may be a password
	Line  int    // from 1
}

// A File is a configuration. The zero File sets nothing: everything has its
// default.
type File struct {
	Name     string
	Settings []Setting // in the order of the file
}

// A SyntaxError is a line that cannot be read. It does not quote the line, which
// may hold a password.
type SyntaxError struct {
	Name   string
	Line   int
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("cyrusconf: %s:%d: %s", e.Name, e.Line, e.Reason)
}

// Parse reads a configuration; name is for errors. If the error joins several
// [*SyntaxError], each is for a line of its own. With an error there is no File.
func Parse(name string, r io.Reader) (*File, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cyrusconf: %s: %w", name, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("cyrusconf: %s: more than %d bytes", name, maxFile)
	}
	f := &File{Name: name}
	var faults []error
	number := 0
	for line := range bytes.Lines(text) {
		number++
		s, reason := parseLine(bytes.TrimSuffix(line, []byte{'\n'}))
		switch {
		case reason != "":
			faults = append(faults, &SyntaxError{name, number, reason})
		case s.Value != "":
			s.Line = number
			f.Settings = append(f.Settings, s)
		}
	}
	if faults != nil {
		return nil, errors.Join(faults...)
	}
	return f, nil
}

// blanks are those of C's isspace.
const blanks = " \t\v\f\r"

// parseLine returns a setting, the zero Setting for a line that says nothing, or
// what is wrong.
func parseLine(line []byte) (s Setting, reason string) {
	switch {
	case len(line) > maxLine:
		return Setting{}, fmt.Sprintf("line of %d bytes, more than %d are cut", len(line), maxLine)
	case bytes.IndexByte(line, 0) >= 0:
		return Setting{}, "line holds NUL"
	}
	text := strings.TrimLeft(string(line), blanks)
	if text == "" || text[0] == '#' {
		return Setting{}, ""
	}
	end := strings.IndexFunc(text, func(r rune) bool { return !isKey(r) })
	if end < 0 || text[end] != ':' {
		return Setting{}, noColon(text)
	}
	s = Setting{Key: strings.ToLower(text[:end]), Value: strings.Trim(text[end+1:], blanks)}
	if s.Value == "" {
		return Setting{}, fmt.Sprintf("%s has no value (to keep the default, leave the line out)", s.Key)
	}
	return s, ""
}

func isKey(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

func noColon(text string) string {
	key := strings.TrimLeftFunc(text, isKey)
	if strings.HasPrefix(strings.TrimLeft(key, blanks), ":") {
		return "blank before the colon, which must touch the key"
	}
	return "expected a key of letters, digits, '-' and '_', then a colon"
}

// Value returns what a key, in lower case, is set to. If it is set twice, the
// first one counts.
func (f *File) Value(key string) (value string, ok bool) {
	for _, s := range f.Settings {
		if s.Key == key {
			return s.Value, true
		}
	}
	return "", false
}

// Bool returns whether a key is on: its value begins with "1", "y", "t" or "on".
// Upper case does not count, "Yes" is off.
func (f *File) Bool(key string) bool {
	value, ok := f.Value(key)
	return ok && (strings.HasPrefix(value, "on") || strings.IndexByte("1yt", value[0]) >= 0)
}

// Words returns the words of a list, separated by blanks; none if the key is not
// set.
func (f *File) Words(key string) []string {
	value, _ := f.Value(key)
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(blanks, r) })
}
