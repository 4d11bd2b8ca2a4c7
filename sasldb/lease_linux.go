package sasldb

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A read lease (fcntl(2), F_SETLEASE) is granted only while nobody has the file
// open for writing, and makes whoever then opens it for writing wait until it is
// let go of. It is the one way to keep libdb, which locks nothing, from changing a
// file under us. Only the owner of the file and root get one.

// takeLease returns errHeld if somebody has the file open for writing, and
// errNoLease if there are no leases to be had here.
func takeLease(f *os.File) error {
	return control(f, func(fd uintptr) error {
		// A process that waits for us makes the kernel send a signal. SIGURG is
		// the one that every Go program gets at any time for no reason.
		if _, err := unix.FcntlInt(fd, unix.F_SETSIG, int(unix.SIGURG)); err != nil {
			return errNoLease
		}
		_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EAGAIN):
			return errHeld
		}
		return errNoLease
	})
}

func dropLease(f *os.File) error {
	return control(f, func(fd uintptr) error {
		_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		return err
	})
}

// control calls do with the descriptor of f, without making it blocking.
func control(f *os.File, do func(fd uintptr) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = do(fd) })
	return errors.Join(failed, err)
}
