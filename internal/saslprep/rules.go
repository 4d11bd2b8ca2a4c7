package saslprep

import "github.com/xdg-go/stringprep"

// A prohibition is one table of characters that a profile refuses.
type prohibition struct {
	table  stringprep.Set
	reason string
}

// The tables of RFC 3454 appendix C, named as there.
var (
	nonASCIISpace  = prohibition{stringprep.TableC1_2, "non-ASCII space (table C.1.2)"}
	asciiControl   = prohibition{stringprep.TableC2_1, "ASCII control character (table C.2.1)"}
	control        = prohibition{stringprep.TableC2_2, "control character (table C.2.2)"}
	privateUse     = prohibition{stringprep.TableC3, "private use (table C.3)"}
	nonCharacter   = prohibition{stringprep.TableC4, "non-character code point (table C.4)"}
	surrogate      = prohibition{stringprep.TableC5, "surrogate code (table C.5)"}
	notPlainText   = prohibition{stringprep.TableC6, "inappropriate for plain text (table C.6)"}
	notCanonical   = prohibition{stringprep.TableC7, "inappropriate for canonical representation (table C.7)"}
	displayControl = prohibition{stringprep.TableC8, "changes display properties or deprecated (table C.8)"}
	tagging        = prohibition{stringprep.TableC9, "tagging character (table C.9)"}
)

// saslprepProhibits is RFC 4013 section 2.3.
var saslprepProhibits = []prohibition{
	nonASCIISpace, asciiControl, control, privateUse, nonCharacter,
	surrogate, notPlainText, notCanonical, displayControl, tagging,
}

// traceProhibits is RFC 4505 section 3: without C.1.2 and C.7.
var traceProhibits = []prohibition{
	asciiControl, control, privateUse, nonCharacter,
	surrogate, notPlainText, displayControl, tagging,
}

// tableB1 is RFC 3454 table B.1, "commonly mapped to nothing". It is ours
// because the one in xdg-go/stringprep 1.0.4 lacks U+1806.
var tableB1 = stringprep.Set{
	{0x00AD, 0x00AD}, // SOFT HYPHEN
	{0x034F, 0x034F}, // COMBINING GRAPHEME JOINER
	{0x1806, 0x1806}, // MONGOLIAN TODO SOFT HYPHEN
	{0x180B, 0x180D}, // MONGOLIAN FREE VARIATION SELECTORS
	{0x200B, 0x200D}, // ZERO WIDTH SPACE (but see mapped), NON-JOINER, JOINER
	{0x2060, 0x2060}, // WORD JOINER
	{0xFE00, 0xFE0F}, // VARIATION SELECTORS
	{0xFEFF, 0xFEFF}, // ZERO WIDTH NO-BREAK SPACE
}

// isUnassigned reports whether Unicode 3.2 had no character at r.
func isUnassigned(r rune) bool { return stringprep.TableA1.Contains(r) }

// checkProhibited refuses the first character that is in one of the tables.
func checkProhibited(cs []char, tables []prohibition) error {
	for _, c := range cs {
		for _, p := range tables {
			if p.table.Contains(c.r) {
				return &Error{Offset: c.at, Reason: p.reason}
			}
		}
	}
	return nil
}

// checkBidi is RFC 3454 section 6, requirements 2 and 3: a string with a
// right-to-left character (table D.1) has no left-to-right one (table D.2), and
// begins and ends with one. Requirement 1, table C.8, is among the prohibitions
// of both profiles.
func checkBidi(cs []char) error {
	if !containsRightToLeft(cs) {
		return nil
	}
	for _, c := range cs {
		if stringprep.TableD2.Contains(c.r) {
			return &Error{Offset: c.at, Reason: "left-to-right character in a right-to-left string (tables D.1 and D.2)"}
		}
	}
	first, last := cs[0], cs[len(cs)-1]
	if !stringprep.TableD1.Contains(first.r) {
		return &Error{Offset: first.at, Reason: "right-to-left string begins with another character (table D.1)"}
	}
	if !stringprep.TableD1.Contains(last.r) {
		return &Error{Offset: last.at, Reason: "right-to-left string ends with another character (table D.1)"}
	}
	return nil
}

func containsRightToLeft(cs []char) bool {
	for _, c := range cs {
		if stringprep.TableD1.Contains(c.r) {
			return true
		}
	}
	return false
}

// checkAssigned is RFC 4013 section 2.5, for stored strings.
func checkAssigned(cs []char) error {
	for _, c := range cs {
		if isUnassigned(c.r) {
			return &Error{Offset: c.at, Reason: "unassigned in Unicode 3.2 (table A.1)"}
		}
	}
	return nil
}
