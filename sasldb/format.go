package sasldb

import (
	"fmt"

	"github.com/saslkit/saslkit/internal/bdb"
	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/gdbm"
	"github.com/saslkit/saslkit/internal/lmdb"
)

// A Format is that of one of the libraries that Cyrus SASL is built with.
type Format uint8

const (
	// BerkeleyDB is the hash format of libdb 5.3: Debian, Ubuntu, RHEL up to 8.
	BerkeleyDB Format = iota
	// GDBM is what Fedora, RHEL 9 and Arch have.
	GDBM
	// LMDB is read, and written only as a whole new file by Convert: programs
	// that use it keep the file open and would not notice that it was replaced.
	LMDB
)

// A formatRow is all that this package must know of a format.
type formatRow struct {
	name  string
	is    func(head []byte) bool // nil: the format of a file that is of no other
	open  func(data []byte) (dbm.File, error)
	build func([]dbm.Record) ([]byte, error) // a new file, as its library makes it here
}

var formats = [...]formatRow{
	BerkeleyDB: {
		name:  "bdb",
		open:  openBerkeleyDB,
		build: func(r []dbm.Record) ([]byte, error) { return bdb.Build(r, bdb.Options{}) },
	},
	GDBM: {
		name:  "gdbm",
		is:    gdbm.Is,
		open:  func(data []byte) (dbm.File, error) { return opened(gdbm.Open(data)) },
		build: func(r []dbm.Record) ([]byte, error) { return gdbm.Build(r, gdbm.Native()) },
	},
	LMDB: {
		name:  "lmdb",
		is:    lmdb.Is,
		open:  func(data []byte) (dbm.File, error) { return opened(lmdb.Open(data)) },
		build: lmdb.Build,
	},
}

// openBerkeleyDB also opens what is of no format at all.
func openBerkeleyDB(data []byte) (dbm.File, error) {
	if len(data) >= sniffSize && bdb.Sniff(data) == bdb.KindUnknown {
		return nil, &dbm.FormatError{Format: "unknown format", Reason: "expected Berkeley DB, GDBM or LMDB"}
	}
	return opened(bdb.Open(data))
}

// opened keeps a nil pointer from becoming a File.
func opened[F dbm.File](f F, err error) (dbm.File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// String returns the name that the command line has for the format: "bdb", "gdbm" or
// "lmdb".
func (f Format) String() string {
	if int(f) < len(formats) {
		return formats[f].name
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// ParseFormat is the reverse of [Format.String]: it knows "bdb", "gdbm" and "lmdb".
func ParseFormat(name string) (Format, error) {
	for f, row := range formats {
		if row.name == name {
			return Format(f), nil
		}
	}
	return 0, fmt.Errorf("sasldb: format %q is not known (known: bdb, gdbm, lmdb)", name)
}

// formatOf recognises a file by its beginning.
func formatOf(head []byte) Format {
	for f, row := range formats {
		if row.is != nil && row.is(head) {
			return Format(f)
		}
	}
	return BerkeleyDB // whose package says what else the file is
}
