//go:build unix

package sasldb

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mayAdd reports whether new files can be made beside the one at path, as a change
// does. CheckWritable is sure of it, and takes the lock.
func mayAdd(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	return unix.Faccessat(unix.AT_FDCWD, filepath.Dir(real), unix.W_OK|unix.X_OK, unix.AT_EACCESS) == nil
}
