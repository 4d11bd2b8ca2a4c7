// Package lmdb reads the data files of LMDB and writes new ones.
package lmdb

import (
	"encoding/binary"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Is reports whether a file begins as an LMDB file does; 20 bytes are enough.
func Is(head []byte) bool {
	return len(head) >= 20 && (binary.LittleEndian.Uint32(head[16:]) == magic || binary.BigEndian.Uint32(head[16:]) == magic)
}

const magic = 0xbeefc0de

// Open checks the meta pages of a file whose whole content is data.
func Open([]byte) (dbm.File, error) {
	return nil, &dbm.FormatError{Format: "lmdb", Reason: "the file is an LMDB database, which is not read yet"}
}

// Build returns a new file.
func Build([]dbm.Record) ([]byte, error) {
	return nil, &dbm.FormatError{Format: "lmdb", Reason: "LMDB is not written yet"}
}
