//go:build linux || openbsd || darwin || freebsd || netbsd

package sasldb

import (
	"os"

	"golang.org/x/sys/unix"
)

// A lockMode says whom a lock keeps out.
type lockMode int

const (
	shared    lockMode = unix.LOCK_SH // for reading, beside others who read
	exclusive lockMode = unix.LOCK_EX // for writing, alone
)

// tryLock takes an advisory lock on the whole file, as flock(2) has it, and does
// not wait: false means that somebody holds it in a way that keeps us out. The
// lock belongs to this open file and ends with unlock or when it is closed.
func tryLock(f *os.File, how lockMode) (bool, error) {
	err := flock(f, int(how)|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return true, nil
}

func unlock(f *os.File) error {
	if err := flock(f, unix.LOCK_UN); err != nil {
		return &os.PathError{Op: "unlock", Path: f.Name(), Err: err}
	}
	return nil
}

// flock goes through the raw connection and not through File.Fd, so that a file
// that is being closed cannot be another one by the time of the call.
func flock(f *os.File, how int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	err = raw.Control(func(fd uintptr) {
		for {
			if locked = unix.Flock(int(fd), how); locked != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return locked
}
