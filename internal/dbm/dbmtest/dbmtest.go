// Package dbmtest holds the packages of the database formats against what package
// dbm promises of them. Only tests import it.
//
// A format's tests fill in a [Codec] and call its methods: every sample must give
// what its sidecar says, broken ones must do no harm, and what Build makes must be
// read back. What the format alone can get wrong stays in its own tests, which
// find records and comparisons here.
package dbmtest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A File is the pointer that a format's Open returns.
type File interface {
	comparable
	dbm.File
}

// A Codec is a format's package: F is its file, L what Build must know beside the
// records.
type Codec[F File, L any] struct {
	Open  func([]byte) (F, error)
	Build func([]dbm.Record, L) ([]byte, error)

	// Again makes a file of the records that were read from another one. It
	// returns neither file nor error if it is right to refuse them.
	Again func(F, []dbm.Record) ([]byte, error)

	// Check looks at what more must hold of any file that could be opened, and
	// of the records that were read from it.
	Check func(testing.TB, F, []dbm.Record)

	// CheckMade wants exactly these records in a file that Build or Again made.
	CheckMade func(testing.TB, F, map[string]string)

	// CheckAgain compares the layout of a file with that of what Again made of it.
	CheckAgain func(t testing.TB, before, after F)

	// Refuses says whether Build must refuse a key; nil if it takes any.
	Refuses func(key []byte, l L) bool

	// Unit is the size of a page or block of the file, Head of what is at its
	// beginning and worth breaking, in bytes.
	Unit func(F) int
	Head int
}

// A Kind of error is one that Open may return.
type Kind string

const (
	Refusal Kind = "*dbm.FormatError"
	Damage  Kind = "*dbm.DamageError"
)

func kindOf(err error) Kind {
	var refusal *dbm.FormatError
	var damage *dbm.DamageError
	switch refused, damaged := errors.As(err, &refusal), errors.As(err, &damage); {
	case refused && !damaged:
		return Refusal
	case damaged && !refused:
		return Damage
	}
	return Kind(fmt.Sprintf("%T", err))
}

// Must returns what a function made, or ends the test with its error.
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Agree opens data, which may be broken in any way. It wants an error of a known
// kind and no file, or one of which Records, Scan and Verify say the same.
func (c Codec[F, L]) Agree(t testing.TB, data []byte) (f F, records []dbm.Record, err error) {
	t.Helper()
	before := bytes.Clone(data)
	f, err = c.Open(data)
	var none F
	switch kind := kindOf(err); {
	case err == nil:
		records = c.agree(t, f)
	case f != none:
		t.Errorf("a file together with %v", err)
	case kind != Refusal && kind != Damage:
		t.Errorf("error %v is of no kind: %s", err, kind)
	}
	if !bytes.Equal(data, before) {
		t.Error("the data were changed")
	}
	return f, records, err
}

func (c Codec[F, L]) agree(t testing.TB, f F) []dbm.Record {
	t.Helper()
	records, seen := f.Records()
	want := Map(t, records)
	if faults, _ := f.Verify(); len(faults) < len(seen) {
		t.Errorf("Records tells of %d faults, Verify of %d", len(seen), len(faults))
	}
	scanned, fault := Scan(t, f)
	if (fault == nil) != (seen == nil) {
		t.Errorf("Scan says %v, Records %v", fault, seen)
	} else if fault == nil && !maps.Equal(scanned, want) {
		t.Errorf("Scan gives %d records, Records %d, or they differ", len(scanned), len(want))
	}
	c.Check(t, f, records)
	return records
}

// agreeAgain: whatever could be read can be written in a form without faults.
func (c Codec[F, L]) agreeAgain(t testing.TB, f F, records []dbm.Record) {
	t.Helper()
	data := Must(c.Again(f, records))(t)
	if data == nil {
		return
	}
	again := Must(c.Open(data))(t)
	c.CheckMade(t, again, Map(t, records))
	c.CheckAgain(t, f, again)
}
