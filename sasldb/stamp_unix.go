//go:build linux || openbsd || darwin || freebsd || netbsd

package sasldb

import (
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// A stamp tells one content of a file from another.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

// modified is the later of the two times.
func (s stamp) modified() time.Time {
	m, c := time.Unix(s.mtime.Unix()), time.Unix(s.ctime.Unix())
	if c.After(m) {
		return c
	}
	return m
}

// stampOf is called for every login.
func stampOf(path string) (stamp, error) {
	var st syscall.Stat_t
	for {
		err := syscall.Stat(path, &st)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return stamp{}, fmt.Errorf("sasldb: %w%s", &fs.PathError{Op: "stat", Path: path, Err: err}, cure(err))
		}
		return stampFrom(&st), nil
	}
}

// stampOfInfo is the stamp of an open file.
func stampOfInfo(info fs.FileInfo) stamp { return stampFrom(info.Sys().(*syscall.Stat_t)) }

func stampFrom(st *syscall.Stat_t) stamp {
	mtime, ctime := timesOf(st)
	return stamp{uint64(st.Dev), uint64(st.Ino), st.Size, mtime, ctime}
}

// isFile reports whether both stamps are of one file.
func (s stamp) isFile(t stamp) bool { return s.dev == t.dev && s.ino == t.ino }

// content is the stamp without what changes when a file loses its name.
func (s stamp) content() stamp { return stamp{size: s.size, mtime: s.mtime} }
