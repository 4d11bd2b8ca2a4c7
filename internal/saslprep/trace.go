package saslprep

import (
	"errors"
	"unicode/utf8"
)

// TraceLimit is the length of the longest trace string, in characters, not bytes.
// RFC 4505 section 2 sets it for tokens; we hold mail addresses to it as well.
const TraceLimit = 255

// ErrTooLong says that a trace string has more than [TraceLimit] characters.
var ErrTooLong = errors.New("saslprep: trace string is longer than 255 characters")

// Trace checks a string against the trace profile, RFC 4505 section 3, under
// which nothing is mapped or normalised and unassigned code points are allowed.
// It returns [ErrTooLong] or an [*Error]; the empty string passes. Whether an
// "@" makes it a mail address is for the caller to look at. Trace may be called
// concurrently.
func Trace(s string) error {
	if len(s) > TraceLimit*utf8.UTFMax || utf8.RuneCountInString(s) > TraceLimit {
		return ErrTooLong
	}
	if IsPrintableASCII(s) {
		return nil
	}
	cs, err := decode(s)
	if err != nil {
		return err
	}
	if err := checkProhibited(cs, traceProhibits); err != nil {
		return err
	}
	return checkBidi(cs)
}
