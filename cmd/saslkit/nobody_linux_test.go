package main

import (
	"os"
	"runtime"
	"syscall"
)

// asNobody runs f on a thread that has no more rights to files than nobody has,
// also if the tests run as root.
func asNobody(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 {
		syscall.Setfsuid(65534)
		defer syscall.Setfsuid(0)
	}
	f()
}
