//go:build !(linux || openbsd || darwin || freebsd || netbsd)

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
)

// listenPath needs owners and modes of sockets.
func listenPath(context.Context, Socket) (net.Listener, error) {
	return nil, fmt.Errorf("unix sockets on %s: %w (use inet:127.0.0.1:PORT)", runtime.GOOS, errors.ErrUnsupported)
}
