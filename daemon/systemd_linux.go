package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// passedListener takes over a descriptor that should be a socket which accepts
// connections.
func passedListener(fd int) (net.Listener, error) {
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "")
	if f == nil {
		return nil, os.ErrInvalid
	}
	defer f.Close() // the listener has a copy
	accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, fmt.Errorf("it is no socket: %w", err)
	}
	if accepts == 0 {
		return nil, errors.New("it does not accept connections (the unit needs ListenStream= and Accept=no)")
	}
	return net.FileListener(f)
}

// monotonicMicroseconds is CLOCK_MONOTONIC, by which systemd tells an old message from a
// new one.
func monotonicMicroseconds() int64 {
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return now.Nano() / 1000
}
