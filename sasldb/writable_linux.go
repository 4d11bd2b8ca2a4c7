package sasldb

import (
	"golang.org/x/sys/unix"
)

// isMount reports whether the name is the root of a mount, as a single file that
// is bind-mounted into a container is.
func (t *target) isMount() bool {
	var st unix.Statx_t
	folder, err := t.dir.Open(".")
	if err != nil {
		return false
	}
	defer folder.Close()
	err = control(folder, func(fd uintptr) error {
		return unix.Statx(int(fd), t.name, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	})
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
