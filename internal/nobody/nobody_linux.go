// Package nobody lets tests that run as root meet a permission that is denied.
package nobody

import (
	"os"
	"runtime"
	"syscall"
)

// Do runs f on a thread that has no more rights to files than the user nobody,
// whoever runs the tests. What f starts in other goroutines keeps its rights.
func Do(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 {
		syscall.Setfsuid(65534)
		defer syscall.Setfsuid(0)
	}
	f()
}
