//go:build linux || openbsd || darwin || freebsd || netbsd

package filestamp

import (
	"io/fs"
	"syscall"
	"time"
)

// A Stamp tells one content of a file from another. Stamps are compared with ==.
type Stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

// Modified is the later of the times of modification and change.
func (s Stamp) Modified() time.Time {
	m, c := time.Unix(s.mtime.Unix()), time.Unix(s.ctime.Unix())
	if c.After(m) {
		return c
	}
	return m
}

// Of returns the stamp of the file at path, following symbolic links. The error is
// an *fs.PathError.
func Of(path string) (Stamp, error) {
	var st syscall.Stat_t
	for {
		err := syscall.Stat(path, &st) // os.Stat takes twice as long, and logins call this
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return Stamp{}, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		return from(&st), nil
	}
}

// OfInfo returns the stamp of an open file.
func OfInfo(info fs.FileInfo) Stamp { return from(info.Sys().(*syscall.Stat_t)) }

func from(st *syscall.Stat_t) Stamp {
	mtime, ctime := timesOf(st)
	return Stamp{uint64(st.Dev), uint64(st.Ino), st.Size, mtime, ctime}
}

// Size is the length of the file in bytes.
func (s Stamp) Size() int64 { return s.size }

// SameFile reports whether both stamps are of one file.
func (s Stamp) SameFile(t Stamp) bool { return s.dev == t.dev && s.ino == t.ino }

// Content is the stamp without what changes when a file loses its name.
func (s Stamp) Content() Stamp { return Stamp{size: s.size, mtime: s.mtime} }
