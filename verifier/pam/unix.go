//go:build unix

package pam

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// inherited are the descriptors of a child. Programs that modules run do not get them.
// Others are closed, which the parent has from whoever started it: whatever came
// through exec lacks the flag that all of this process's own have.
func inherited() (in, out *os.File) {
	const requests, answers = 3, 4
	syscall.CloseOnExec(requests)
	syscall.CloseOnExec(answers)
	list, _ := os.ReadDir("/dev/fd")
	for _, entry := range list {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= answers {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			syscall.Close(fd)
		}
	}
	return os.NewFile(requests, "requests"), os.NewFile(answers, "answers")
}

// ownGroup keeps signals of a terminal, which are for the parent, from children.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
