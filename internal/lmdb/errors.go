package lmdb

import (
	"fmt"

	"github.com/saslkit/saslkit/internal/dbm"
)

// format is the name of the format in errors.
const format = "lmdb"

func damaged(page uint32, reason string, args ...any) *dbm.DamageError {
	return &dbm.DamageError{Format: format, Unit: "page", Number: page, Reason: fmt.Sprintf(reason, args...)}
}

func refused(reason string, args ...any) *dbm.FormatError {
	return &dbm.FormatError{Format: format, Reason: fmt.Sprintf(reason, args...)}
}
