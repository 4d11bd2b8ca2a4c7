//go:build linux || openbsd

package filestamp

import "syscall"

func timesOf(st *syscall.Stat_t) (mtime, ctime syscall.Timespec) { return st.Mtim, st.Ctim }
