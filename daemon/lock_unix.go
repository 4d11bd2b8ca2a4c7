//go:build linux || openbsd || darwin || freebsd || netbsd

package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A staging is the private folder in which a socket is made, beside its place, and the
// lock of those who make one: whoever holds the folder's lock, while the folder is there,
// is alone. It is gone afterwards. As only its owner may open it (mode 0700), nobody else
// can hold the lock to keep daemons from starting, which the socket's own folder, or a
// lock file that all may read, would allow.
//
// The umask, the other way to create a socket without a moment of wider mode, belongs to
// the whole process, and with it to files that others create meanwhile.
type staging struct {
	folder      string   // where the socket is to be
	parent, dir *os.File // that folder, and the private one
}

const (
	// stagingTime is for how long others may take to make their sockets. It is a matter
	// of milliseconds.
	stagingTime  = 5 * time.Second
	stagingPause = 5 * time.Millisecond
)

// errStagingBusy: somebody else makes a socket.
var errStagingBusy = errors.New("another process is making a socket")

// newStaging makes and locks the private folder. The caller closes it.
func newStaging(ctx context.Context, folder string) (*staging, error) {
	parent, err := openAt(unix.AT_FDCWD, folder, 0)
	if err != nil {
		return nil, folderError(folder, err)
	}
	s := &staging{folder: folder, parent: parent}
	ctx, cancel := context.WithTimeout(ctx, stagingTime)
	defer cancel()
	for {
		err := s.try()
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, errStagingBusy) {
			parent.Close()
			return nil, err
		}
		select {
		case <-time.After(stagingPause):
		case <-ctx.Done():
			parent.Close()
			return nil, err
		}
	}
}

// try is one attempt; errStagingBusy if another may succeed.
func (s *staging) try() error {
	parent := int(s.parent.Fd())
	if err := unix.Mkdirat(parent, stagingName, 0o700); err != nil && err != unix.EEXIST {
		return folderError(s.folder, err)
	}
	dir, err := openAt(parent, stagingName, unix.O_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return errStagingBusy // somebody has just finished
	case errors.Is(err, unix.EACCES):
		return s.foreign()
	case err != nil:
		return fmt.Errorf("%s is in the way: %w (remove it)", s.name(), err)
	}
	if err := s.claim(dir); err != nil {
		dir.Close()
		return err
	}
	s.dir = dir
	return nil
}

// claim takes the lock of the private folder and sees that it is that.
func (s *staging) claim(dir *os.File) error {
	st, err := statAt(int(dir.Fd()), "")
	if err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o777 != 0o700 {
		return s.foreign()
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK || err == unix.EINTR {
		return errStagingBusy
	} else if err != nil {
		return fmt.Errorf("locking %s: %w", s.name(), err)
	}
	// Who had the lock before has removed the folder.
	if now, err := statAt(int(s.parent.Fd()), stagingName); err != nil || inodeOf(now) != inodeOf(st) {
		return errStagingBusy
	}
	err = unix.Unlinkat(int(dir.Fd()), stagedName, 0) // of one who was killed
	if err != nil && err != unix.ENOENT {
		return fmt.Errorf("%s/%s: %w", s.name(), stagedName, err)
	}
	return nil
}

// foreign is the error for a private folder of somebody else, who may be about to finish.
func (s *staging) foreign() error {
	return fmt.Errorf("%w: %s belongs to another user (remove it, if no daemon is starting)", errStagingBusy, s.name())
}

func (s *staging) name() string { return filepath.Join(s.folder, stagingName) }

// path is where the socket is made.
func (s *staging) path() string { return filepath.Join(s.folder, stagingName, stagedName) }

// close removes the private folder, which ends the lock. The folder of the socket stays
// open.
func (s *staging) close() {
	unix.Unlinkat(int(s.dir.Fd()), stagedName, 0)
	unix.Unlinkat(int(s.parent.Fd()), stagingName, unix.AT_REMOVEDIR)
	s.dir.Close()
}

// folderError says why there can be no socket in a folder.
func folderError(folder string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("there is no folder %s (create it: install -d -m 0710 -o USER -g GROUP %s)", folder, folder)
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%s is not a folder, or a part of its path is not", folder)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("user %d may not create files in %s: %w (give the user that folder, or choose another)", os.Geteuid(), folder, err)
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%s is read-only: %w (mount a volume there that can be written)", folder, err)
	}
	return fmt.Errorf("folder %s: %w", folder, err)
}

func openAt(folder int, name string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Openat(folder, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if err != unix.EINTR {
			return nil, err
		}
	}
}

// statAt tells about a name in a folder, not following symlinks; "" is the folder.
func statAt(folder int, name string) (st unix.Stat_t, err error) {
	if name == "" {
		err = unix.Fstat(folder, &st)
	} else {
		err = unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	}
	return st, err
}

// An inode tells files apart.
type inode struct{ device, number uint64 }

func inodeOf(st unix.Stat_t) inode { return inode{uint64(st.Dev), uint64(st.Ino)} }
