package saslprep

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTrace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		in     string
		reason string // a part of the error; "" is none
	}{
		{"RFC 4505 section 4", "sirhc", ""},
		{"mail address", "sirhc@example.com", ""},
		{"empty", "", ""},
		{"255 characters", strings.Repeat("\u00e9", TraceLimit), ""},
		{"255 characters of four bytes", strings.Repeat("\U0001f600", TraceLimit), ""},
		{"256 characters", strings.Repeat("a", TraceLimit+1), "longer than 255"},
		{"256 characters of two bytes", strings.Repeat("\u00e9", TraceLimit+1), "longer than 255"},
		{"too long and not UTF-8", strings.Repeat("\xff", 5000), "longer than 255"},
		{"non-ASCII space is not prohibited", "a\u00a0b", ""},
		{"table C.7 is not prohibited", "\u2ff0", ""},
		{"unassigned is not prohibited", "\u0221", ""},
		{"not mapped, not normalised", "I\u00ad\u2168", ""},
		{"U+0340 is not normalised away", "a\u0340", "byte 1: changes display properties or deprecated (table C.8)"},
		{"NUL", "a\x00", "C.2.1"},
		{"line feed", "a\n", "C.2.1"},
		{"C1 control", "\u0085", "C.2.2"},
		{"private use", "\ue000", "C.3"},
		{"non-character", "\ufffe", "C.4"},
		{"surrogate", "\xed\xa0\x80", "byte 0: not valid UTF-8"},
		{"replacement character", "\ufffd", "C.6"},
		{"tag", "\U000e0041", "C.9"},
		{"right to left", "\u05d0-\u05d1", ""},
		{"mixed directions", "\u05d0a\u05d1", "byte 2: left-to-right"},
		{"right to left with a digit last", "\u05d01", "ends"},
	}
	for _, tt := range tests {
		err := Trace(tt.in)
		switch {
		case tt.reason == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.reason != "" && (err == nil || !strings.Contains(err.Error(), tt.reason)):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.reason)
		}
	}
}

func FuzzTrace(f *testing.F) {
	for _, s := range []string{"", "sirhc", "a\u0340", "\u05d0-\u05d1", "\u05d01", "\xff", strings.Repeat("\u00e9", 256)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := Trace(s)
		var e *Error
		switch {
		case err == nil:
			if !utf8.ValidString(s) || utf8.RuneCountInString(s) > TraceLimit {
				t.Errorf("Trace accepts %+q", s)
			}
			if strings.ContainsAny(s, "\x00\r\n\x7f") {
				t.Errorf("Trace accepts a control character in %+q", s)
			}
		case errors.Is(err, ErrTooLong):
			if utf8.RuneCountInString(s) <= TraceLimit {
				t.Errorf("Trace finds %d characters too long", utf8.RuneCountInString(s))
			}
		case !errors.As(err, &e) || e.Offset < 0 || e.Offset >= len(s):
			t.Errorf("Trace(%+q) = %#v", s, err)
		}
	})
}
