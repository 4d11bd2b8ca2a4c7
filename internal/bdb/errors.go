package bdb

import "fmt"

// A DamageError tells of a place where a file contradicts itself. It never
// holds bytes of a key or value.
type DamageError struct {
	Page   uint32 // page number; 0 is the metadata
	Reason string // "entry 3 ends at byte 4102 of 4096"
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("bdb: page %d: %s", e.Page, e.Reason)
}

func damaged(page uint32, format string, args ...any) *DamageError {
	return &DamageError{Page: page, Reason: fmt.Sprintf(format, args...)}
}

// A FormatError refuses a file that may be sound but is not ours to read: of
// another kind, of a version that is too old or too new, or encrypted.
type FormatError struct {
	Kind   Kind   // what the file is; KindHash if only a property of it is refused
	Reason string // "hash version 6 is too old, 7 to 10 are read"
}

func (e *FormatError) Error() string { return "bdb: " + e.Reason }

func refused(format string, args ...any) *FormatError {
	return &FormatError{Kind: KindHash, Reason: fmt.Sprintf(format, args...)}
}

// A faultList collects damage up to a limit, so that a file made of nothing but
// faults cannot fill the memory with their description.
type faultList struct {
	faults []*DamageError
	more   int // those that were not kept
}

// maxFaults is what one report holds. An administrator reads the first few.
const maxFaults = 200

func (l *faultList) add(e *DamageError) {
	if len(l.faults) < maxFaults {
		l.faults = append(l.faults, e)
		return
	}
	l.more++
}

// all returns what was collected, the first fault first, nil if there is none.
func (l *faultList) all() []*DamageError {
	if l.more == 0 {
		return l.faults
	}
	last := l.faults[len(l.faults)-1]
	return append(l.faults[:len(l.faults):len(l.faults)], damaged(last.Page, "and %d more faults here and on other pages", l.more))
}
