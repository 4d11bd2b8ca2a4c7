package sasldb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// copyAttributes gives file to what old has that can be given: the access control
// list, the security label and the user's own attributes. A list that file has
// from its folder and old does not is taken away, for it might let others in.
func copyAttributes(to, old *os.File) error {
	had, err := listAttributes(old)
	if err != nil {
		return err
	}
	for name, value := range had {
		if err := setAttribute(to, name, value); err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	if _, ok := had[accessList]; ok {
		return nil
	}
	return removeAccessList(to)
}

// removeAccessList leaves the rights that the mode tells of.
func removeAccessList(f *os.File) error { return removeAttribute(f, accessList) }

const accessList = "system.posix_acl_access"

// goesAlong tells which attributes belong to the file rather than to its content
// (as the signatures in security.ima do).
func goesAlong(name string) bool {
	switch name {
	case accessList, "security.selinux", "security.SMACK64":
		return true
	}
	return strings.HasPrefix(name, "user.")
}

func listAttributes(f *os.File) (map[string][]byte, error) {
	had := map[string][]byte{}
	list, err := growing(f, unix.Flistxattr)
	if errors.Is(err, unix.ENOTSUP) {
		return had, nil
	}
	if err != nil {
		return nil, err
	}
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if !goesAlong(string(name)) {
			continue
		}
		value, err := getAttribute(f, string(name))
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		had[string(name)] = value
	}
	return had, nil
}

func getAttribute(f *os.File, name string) ([]byte, error) {
	return growing(f, func(fd int, into []byte) (int, error) { return unix.Fgetxattr(fd, name, into) })
}

// growing calls a function that fills a buffer until that is large enough. The
// kernel ends values and lists at 64 KiB.
func growing(f *os.File, fill func(fd int, into []byte) (int, error)) (content []byte, err error) {
	for size := 1 << 10; size <= 1<<16; size <<= 2 {
		content = make([]byte, size)
		err = control(f, func(fd uintptr) error {
			n, err := fill(int(fd), content)
			content = content[:max(n, 0)]
			return err
		})
		if !errors.Is(err, unix.ERANGE) {
			break
		}
	}
	return content, err
}

// setAttribute leaves one alone that is right already: a label may be right by
// policy and not for us to set.
func setAttribute(f *os.File, name string, value []byte) error {
	if now, err := getAttribute(f, name); err == nil && bytes.Equal(now, value) {
		return nil
	}
	return control(f, func(fd uintptr) error { return unix.Fsetxattr(int(fd), name, value, 0) })
}

func removeAttribute(f *os.File, name string) error {
	err := control(f, func(fd uintptr) error { return unix.Fremovexattr(int(fd), name) })
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
