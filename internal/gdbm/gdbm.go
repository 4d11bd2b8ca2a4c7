// Package gdbm reads and writes the files of GDBM.
package gdbm

import (
	"encoding/binary"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Is reports whether a file begins as a GDBM file does; 4 bytes are enough.
func Is(head []byte) bool {
	return len(head) >= 4 && (isMagic(binary.LittleEndian.Uint32(head)) || isMagic(binary.BigEndian.Uint32(head)))
}

func isMagic(word uint32) bool { return 0x13579acd <= word && word <= 0x13579ad1 }

// Open checks the header of a file whose whole content is data.
func Open([]byte) (dbm.File, error) {
	return nil, &dbm.FormatError{Format: "gdbm", Reason: "the file is a GDBM database, which is not read yet"}
}

// Build returns a new file.
func Build([]dbm.Record) ([]byte, error) {
	return nil, &dbm.FormatError{Format: "gdbm", Reason: "GDBM is not written yet"}
}
