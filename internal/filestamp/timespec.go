//go:build darwin || freebsd || netbsd

package filestamp

import "syscall"

func timesOf(st *syscall.Stat_t) (mtime, ctime syscall.Timespec) {
	return st.Mtimespec, st.Ctimespec
}
