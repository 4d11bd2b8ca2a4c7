//go:build unix

package sasldb

import (
	"io/fs"
	"os"
	"syscall"
)

// openSafely: a link is not followed, and a FIFO does not hold us up.
const (
	openSafely   = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	openNoFollow = syscall.O_NOFOLLOW
)

// copyOwner gives f the owner and group that info tells of.
func copyOwner(f *os.File, info fs.FileInfo) error {
	now, err := f.Stat()
	if err != nil || sameOwner(now, info) {
		return err
	}
	want := info.Sys().(*syscall.Stat_t)
	return f.Chown(int(want.Uid), int(want.Gid))
}

// sameOwner reports whether two files have one owner and one group.
func sameOwner(a, b fs.FileInfo) bool {
	x, y := a.Sys().(*syscall.Stat_t), b.Sys().(*syscall.Stat_t)
	return x.Uid == y.Uid && x.Gid == y.Gid
}

// isMine reports whether a file is that of the user we run as.
func isMine(info fs.FileInfo) bool {
	return int(info.Sys().(*syscall.Stat_t).Uid) == os.Geteuid()
}

// links returns how many names a file has.
func links(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Nlink) }
