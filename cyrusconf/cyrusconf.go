package cyrusconf

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
)

const (
	maxLine = 4095    // bytes without the newline: what Cyrus's buffer holds
	maxFile = 1 << 16 // bytes; a real file has a few hundred
)

// A Setting is one line of a file. It prints without passwords.
type Setting struct {
	Key   string // in lower case; Cyrus takes an empty one, which nothing asks for
	Value string // not empty; may be a password
	// Tail are the blanks behind the value. libsasl2 drops them, saslauthd takes
	// them for a part of it.
	Tail string
	Line int // from 1
}

// String returns the line as it could stand in a file, but for the value of a key
// that is a password's or that nobody knows.
func (s Setting) String() string {
	if mayShow(s.Key) {
		return s.Key + ": " + s.Value
	}
	return s.Key + ": " + secret.Redacted
}

// Format implements [fmt.Formatter], with String for every verb.
func (s Setting) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer].
func (s Setting) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps encoding/json and encoding/xml from looking inside.
func (s Setting) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A File is a configuration. The zero File sets nothing: everything has its
// default.
type File struct {
	Name     string
	Settings []Setting // in the order of the file
	// Form are the warnings about the file's form.
	Form Faults
	// Mode is that of the file which was read; 0 if none was.
	Mode fs.FileMode
}

// Parse reads a configuration, of at most 64 KiB; name is for errors. If lines cannot be
// read, the error is [Faults], one for each. With an error there is no File.
func Parse(name string, r io.Reader) (*File, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cyrusconf: %s: %w", name, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("cyrusconf: %s: more than %d bytes (is it the right file?)", name, maxFile)
	}
	f := &File{Name: name}
	var refused Faults
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSuffix(line, []byte{'\n'})
		if len(f.Form) == 0 && bytes.HasSuffix(line, []byte{'\r'}) {
			f.Form = Faults{{name, number, "", "line ends with CR LF", "save the file with line ends of Unix: libsasl2 drops the CR, saslauthd takes it for a part of the value", Warning}}
		}
		s, fault := parseLine(line)
		switch {
		case fault != nil:
			fault.Name, fault.Line = name, number
			refused = append(refused, *fault)
		case s.Value != "":
			s.Line = number
			f.Settings = append(f.Settings, s)
		}
	}
	if refused != nil {
		return nil, refused
	}
	return f, nil
}

// blanks are those of C's isspace.
const blanks = " \t\v\f\r"

// parseLine returns a setting, the zero Setting for a line that says nothing, or
// what is wrong.
func parseLine(line []byte) (Setting, *Fault) {
	if fault := unreadable(line); fault != nil {
		return Setting{}, fault
	}
	text := strings.TrimLeft(string(line), blanks)
	if text == "" || text[0] == '#' {
		return Setting{}, nil
	}
	end := strings.IndexFunc(text, func(r rune) bool { return !isKey(r) })
	if end < 0 {
		end = len(text)
	}
	key, rest := strings.ToLower(text[:end]), text[end:]
	if !strings.HasPrefix(rest, ":") {
		return Setting{}, noColon(key, rest)
	}
	value := strings.TrimLeft(rest[1:], blanks)
	if value == "" {
		return Setting{}, &Fault{Key: key, Problem: key + " has no value", Cure: "to keep the default, leave the line out"}
	}
	trimmed := strings.TrimRight(value, blanks)
	return Setting{Key: key, Value: trimmed, Tail: value[len(trimmed):]}, nil
}

// unreadable finds what makes a line another than the one that an editor shows.
func unreadable(line []byte) *Fault {
	switch {
	case bytes.HasPrefix(line, []byte("\xff\xfe")) || bytes.HasPrefix(line, []byte("\xfe\xff")):
		return &Fault{Problem: "line begins with a byte-order mark of UTF-16", Cure: "save the file as plain text"}
	case bytes.HasPrefix(line, []byte("\xef\xbb\xbf")):
		return &Fault{Problem: "line begins with a byte-order mark", Cure: "save the file as UTF-8 without one"}
	case len(line) > maxLine:
		return &Fault{Problem: fmt.Sprintf("line of %d bytes, more than %d are cut", len(line), maxLine), Cure: "shorten it"}
	case bytes.IndexByte(line, 0) >= 0:
		return &Fault{Problem: "line holds NUL, where Cyrus cuts it", Cure: "save the file as plain text"}
	}
	return nil
}

func isKey(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

// noColon says what is wrong with a line whose key is followed by something else.
// Unless it is a key that somebody knows it is not shown: it may be the rest of a
// password that was wrapped.
func noColon(key, rest string) *Fault {
	next := strings.TrimLeft(rest, blanks)
	f := foreign(key)
	known := mayShow(key) || lookup(applicationKeys, key) != nil || lookup(saslauthdKeys, key) != nil
	if !known && f == nil {
		key = ""
	}
	shown := key
	if key == "" {
		shown = "key"
	}
	switch {
	case strings.HasPrefix(next, ":"):
		return &Fault{Key: key, Problem: "blank before the colon, which must touch the key", Cure: "write " + shown + ": value"}
	case f != nil && !known:
		return &Fault{Key: key, Problem: key + " is an option " + f.whose + ", and followed by no colon", Cure: f.cure}
	case strings.HasPrefix(next, "="):
		return &Fault{Key: key, Problem: "'=' in place of the colon", Cure: "write " + shown + ": value"}
	case next != "" && (next[0] >= 0x80 || next[0] < ' '):
		return &Fault{Key: key, Problem: "a character that is not ASCII in the key or behind it", Cure: "type the line anew: what is copied from a web page can hold blanks that are none"}
	}
	return &Fault{Key: key, Problem: "expected a key of letters, digits, '-' and '_', then a colon", Cure: "write " + shown + ": value, all on one line, or begin a comment with '#'"}
}

// setting returns the line for a key, in lower case, that counts: the first. Nil if
// there is none.
func (f *File) setting(key string) *Setting {
	for i := range f.Settings {
		if f.Settings[i].Key == key {
			return &f.Settings[i]
		}
	}
	return nil
}

// Value returns what a key, in lower case, is set to. If it is set twice, the
// first one counts.
func (f *File) Value(key string) (value string, ok bool) {
	if s := f.setting(key); s != nil {
		return s.Value, true
	}
	return "", false
}

// Bool returns whether a key is on: its value begins with "1", "y", "t" or "on".
// Upper case does not count, "Yes" is off.
func (f *File) Bool(key string) bool {
	value, _ := f.Value(key)
	return isOn(value)
}

func isOn(value string) bool {
	return strings.HasPrefix(value, "on") || value != "" && strings.IndexByte("1yt", value[0]) >= 0
}

// Words returns the words of a list, separated by blanks; none if the key is not
// set.
func (f *File) Words(key string) []string {
	value, _ := f.Value(key)
	return fields(value)
}

// fields are the words of a value, nil if it has none.
func fields(value string) []string {
	if value == "" {
		return nil
	}
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(blanks, r) })
}
