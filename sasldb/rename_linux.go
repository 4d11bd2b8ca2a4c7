package sasldb

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew gives a file a name that must not be taken; the error matches
// fs.ErrExist if it is.
func (t *target) renameNew(from, to string) error {
	folder, err := t.dir.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	err = control(folder, func(fd uintptr) error {
		return unix.Renameat2(int(fd), from, int(fd), to, unix.RENAME_NOREPLACE)
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // not on every file system
		return t.linkNew(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
