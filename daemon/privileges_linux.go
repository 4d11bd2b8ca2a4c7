package daemon

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func dropPrivileges(user, group string) error {
	if user != "" {
		a, err := target(user, group)
		if err == nil {
			err = a.become()
		}
		if err != nil {
			return err
		}
	}
	if err := noNewPrivileges(); err != nil {
		return err
	}
	// Last: changing users sets it anew.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbidding core dumps: %w", err)
	}
	return nil
}

// become changes the numbers of every thread: the functions of package syscall do, those
// of x/sys/unix would change one.
func (a account) become() error {
	if os.Geteuid() != 0 {
		if os.Getuid() == a.uid && os.Geteuid() == a.uid && os.Getgid() == a.gid && os.Getegid() == a.gid {
			return nil
		}
		return fmt.Errorf("user %d cannot become user %d with group %d (start as root, or write User= and Group= into the unit)", os.Geteuid(), a.uid, a.gid)
	}
	err := syscall.Setgroups(a.groups)
	if err == nil {
		err = syscall.Setresgid(a.gid, a.gid, a.gid)
	}
	if err == nil {
		err = syscall.Setresuid(a.uid, a.uid, a.uid)
	}
	if err != nil {
		return fmt.Errorf("becoming user %d with group %d and groups %d: %w (root in a container needs CAP_SETUID and CAP_SETGID, or start it as that user)", a.uid, a.gid, a.groups, err)
	}
	return a.verify()
}

// verify looks whether the process is what it should be, and tries to become root.
func (a account) verify() error {
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	groups, err := unix.Getgroups()
	if err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	slices.Sort(groups)
	want := slices.Sorted(slices.Values(a.groups))
	switch {
	case [3]int{ruid, euid, suid} != [3]int{a.uid, a.uid, a.uid}:
		return fmt.Errorf("the process is of users %d, %d and %d instead of %d", ruid, euid, suid, a.uid)
	case [3]int{rgid, egid, sgid} != [3]int{a.gid, a.gid, a.gid}:
		return fmt.Errorf("the process is of groups %d, %d and %d instead of %d", rgid, egid, sgid, a.gid)
	case !slices.Equal(groups, want):
		return fmt.Errorf("the process has the groups %d instead of %d", groups, want)
	case syscall.Setresuid(-1, 0, -1) == nil || syscall.Setresuid(0, -1, -1) == nil:
		return errRootAgain
	case a.gid != 0 && !slices.Contains(want, 0) && syscall.Setresgid(-1, 0, -1) == nil:
		return fmt.Errorf("%w: its group", errRootAgain)
	}
	return withoutCapabilities()
}

// withoutCapabilities sees that the kernel took all capabilities together with root: it
// does not if the securebits say so.
func withoutCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("verifying capabilities: %w", err)
	}
	for _, d := range data {
		if d.Effective|d.Permitted != 0 {
			return fmt.Errorf("%w: it keeps capabilities (start it without the securebits keep-caps and no-setuid-fixup)", errRootAgain)
		}
	}
	return nil
}

// noNewPrivileges sets no_new_privs on every thread. In a program with C, where package
// syscall cannot do that, a seccomp filter that permits everything does: the kernel sets
// it on all threads that it gives the filter.
func noNewPrivileges() error {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	if errno == syscall.ENOTSUP {
		errno = noNewPrivilegesByFilter()
	}
	if errno != 0 {
		return fmt.Errorf("no_new_privs: %w", errno)
	}
	return nil
}

func noNewPrivilegesByFilter() syscall.Errno {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err.(syscall.Errno)
	}
	permit := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	program := unix.SockFprog{Len: 1, Filter: &permit}
	thread, _, errno := syscall.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno == 0 && thread != 0 { // one that has a filter of its own
		return syscall.EBUSY
	}
	return errno
}
