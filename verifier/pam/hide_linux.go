package pam

import "golang.org/x/sys/unix"

// hide keeps debuggers of this user, and core dumps, from the passwords that come by.
func hide() { unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
