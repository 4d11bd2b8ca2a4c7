package gdbm

import (
	"fmt"

	"github.com/saslkit/saslkit/internal/dbm"
)

// format is the name of the format in errors.
const format = "gdbm"

// damagedBucket tells of a bucket, which is known by the first entry of the
// directory that leads to it, as in libgdbm's own messages.
func damagedBucket(number uint32, reason string, args ...any) *dbm.DamageError {
	return &dbm.DamageError{Format: format, Unit: "bucket", Number: number, Reason: fmt.Sprintf(reason, args...)}
}

// damagedHeader tells of block 0: the header, and what it says of the directory
// and of free space.
func damagedHeader(reason string, args ...any) *dbm.DamageError {
	return &dbm.DamageError{Format: format, Unit: "block", Reason: fmt.Sprintf(reason, args...)}
}
