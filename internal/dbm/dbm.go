// Package dbm is what the packages of the database formats have in common:
// records, and the words for what is wrong with a file. The formats are those of
// the libraries that Cyrus SASL may be built with, all maps of bytes to bytes.
//
// A format's package knows bytes, keys and values, not what a key means, and does
// no I/O: it is given a whole file in memory.
package dbm

import "fmt"

// A Record is a key and its value. Both may be empty and neither is nil in what a
// File returns. They may alias the data of the file: treat them as read-only.
type Record struct {
	Key, Value []byte
}

// A File is a database file in memory whose format was recognised. It keeps the
// data that it was opened with, and neither it nor the caller writes to them. It
// may be used by several goroutines at a time. Work and memory are bounded by the
// size of the file, whatever the file says.
type File interface {
	// Records returns the sound records, in the order of the file, and the
	// damage that was met, nil if there was none. A record is given only if it
	// is whole and where a look-up would find it.
	Records() ([]Record, []*DamageError)

	// Scan calls visit for every record, in no particular order, unless there is
	// any damage: it may then have been called for some records or none, and the
	// first damage is returned. It takes little memory beside the file. Key and
	// value are valid during the call.
	Scan(visit func(key, value []byte)) *DamageError

	// Verify looks at everything. Faults may cost records now or at the next
	// write of the format's own library, and include the damage that Records
	// reports. Warnings are oddities of files in healthy use. Both are nil if
	// there are none.
	Verify() (faults, warnings []*DamageError)

	// Rewrite returns a new file with these records, given in any order, and
	// the layout of this one. The caller owns it. Equal records give equal
	// bytes, and nothing is in it but them. It refuses two records with one
	// key, and with a *FormatError if files like this one are not written.
	Rewrite([]Record) ([]byte, error)
}

// A DamageError tells of a place where a file contradicts itself. It never holds
// bytes of a key or value.
type DamageError struct {
	Format string // of the file: "bdb", "gdbm", "lmdb"
	Unit   string // what the format consists of: "page", "bucket", "block"
	Number uint32 // of that; page 0 of a Berkeley DB file is its metadata, block 0 of a GDBM file its header
	Reason string // "entry 3 ends at byte 4102 of 4096"
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: %s %d: %s", e.Format, e.Unit, e.Number, e.Reason)
}

// A FormatError refuses a file that may be sound but is not ours to read or write:
// of another kind, of a version that is too old or too new, or encrypted.
type FormatError struct {
	Format string // the format that it is or was taken for
	Reason string // "hash version 6 is too old, 7 to 10 are read"
}

func (e *FormatError) Error() string { return e.Format + ": " + e.Reason }

// Faults collects damage up to a limit, so that a file made of nothing but faults
// cannot fill the memory with their description. The zero value is ready.
type Faults struct {
	list []*DamageError
	more int // those that were not kept
}

// maxFaults is what one report holds. An administrator reads the first few.
const maxFaults = 200

// Add appends e, or counts it if there are many already.
func (f *Faults) Add(e *DamageError) {
	if len(f.list) < maxFaults {
		f.list = append(f.list, e)
		return
	}
	f.more++
}

// Len returns how many were added.
func (f *Faults) Len() int { return len(f.list) + f.more }

// All returns what was collected, the first fault first, nil if there is none. A
// last one tells how many were left out.
func (f *Faults) All() []*DamageError {
	if f.more == 0 {
		return f.list
	}
	last := *f.list[len(f.list)-1]
	last.Reason = fmt.Sprintf("and %d more faults here and elsewhere", f.more)
	return append(f.list[:len(f.list):len(f.list)], &last)
}
