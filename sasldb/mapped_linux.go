package sasldb

import (
	"os"

	"golang.org/x/sys/unix"
)

// stampsMapped reports whether a file gets new times when a program changes it through a
// mapping, as GDBM's do. On tmpfs it keeps the old ones, until it is written to. An overlay
// does as the file system below it, which cannot be seen.
func stampsMapped(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var fs unix.Statfs_t
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Fstatfs(int(fd), &fs) })
	if err != nil || failed != nil {
		return false
	}
	switch uint32(fs.Type) { // signed on some processors
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC:
		return false
	}
	return true
}
