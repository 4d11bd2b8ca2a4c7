package cyrusconf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Severity says what to do about a fault.
type Severity uint8

const (
	// Refused: a server must not start with the file. Cyrus does not either, or
	// something that the file asks for would not be in force, or would let
	// everybody in.
	Refused Severity = iota
	// Warning: Cyrus goes on without a word, and what is in force is what the file
	// says, but it says more than that, or is unwise.
	Warning
)

// String returns "refused" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "refused"
}

// A Fault is one thing wrong with a file. Its words never hold the value of a key
// that is a password's, or that nobody knows.
type Fault struct {
	Name     string // of the file
	Line     int    // from 1
	Key      string // in lower case; empty if the line has none
	Problem  string
	Cure     string // what to do; never empty
	Severity Severity
}

// Error returns the fault in the form "smtpd.conf:3: problem (cure)".
func (f Fault) Error() string {
	return fmt.Sprintf("%s:%d: %s (%s)", f.Name, f.Line, f.Problem, f.Cure)
}

// Faults are those of a file, in the order of its lines. As an error they are told
// one on a line.
type Faults []Fault

// Error returns the faults, one on a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Refused returns the faults with which a server must not start.
func (f Faults) Refused() Faults { return f.with(Refused) }

// Warnings returns the others.
func (f Faults) Warnings() Faults { return f.with(Warning) }

// Err returns Refused as an error, nil if there are none.
func (f Faults) Err() error {
	if refused := f.Refused(); len(refused) > 0 {
		return refused
	}
	return nil
}

func (f Faults) with(s Severity) Faults {
	return slices.DeleteFunc(slices.Clone(f), func(fault Fault) bool { return fault.Severity != s })
}

// sorted orders by lines what was found check by check.
func (f Faults) sorted() Faults {
	slices.SortStableFunc(f, func(a, b Fault) int { return a.Line - b.Line })
	return f
}

// maxQuoted bounds what a message shows of a value, in bytes.
const maxQuoted = 60

// quoted shows a value that may be shown.
func quoted(value string) string {
	if len(value) > maxQuoted {
		return fmt.Sprintf("%q...", value[:maxQuoted])
	}
	return fmt.Sprintf("%q", value)
}

// textOf makes text of a cure, which shows values as they are to be written: whatever
// is no character, or none that is seen, is escaped.
func textOf(cure string) string {
	if utf8.ValidString(cure) && !strings.ContainsFunc(cure, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return cure
	}
	escaped := strconv.Quote(cure)
	return escaped[1 : len(escaped)-1]
}
