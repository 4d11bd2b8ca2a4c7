//go:build !(linux || openbsd || darwin || freebsd || netbsd)

package sasldb

import (
	"errors"
	"fmt"
	"os"
)

// A lockMode says whom a lock keeps out.
type lockMode int

const (
	shared    lockMode = iota // for reading, beside others who read
	exclusive                 // for writing, alone
)

// tryLock always fails: locks that other programs know are flock(2)'s.
func tryLock(f *os.File, _ lockMode) (bool, error) {
	return false, fmt.Errorf("lock %s: %w", f.Name(), errors.ErrUnsupported)
}

func unlock(*os.File) error { return nil }
