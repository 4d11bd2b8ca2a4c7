package unixask

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// full listens on a socket whose queue is full, and accepts nobody.
func full(t *testing.T) (l *net.UnixListener, socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 1) })
	for err == nil {
		var conn net.Conn
		if conn, err = net.Dial("unix", socket); err == nil {
			t.Cleanup(func() { conn.Close() })
		}
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
	}
	return l, socket
}

// Linux refuses a connection that does not block where a blocking one would wait for
// a place in the queue.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	l, socket := full(t)
	a := asker(t, socket, 20)
	_, err := line(impatient(t), a)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "connect: its queue is full: context canceled") {
		t.Error(err)
	}
	var asking, answering sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			if answer, err := line(t.Context(), a); answer != "me\n" || err != nil {
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
	answering.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answering.Go(func() {
				defer conn.Close()
				me(conn)
			})
		}
	})
	asking.Wait()
	l.Close()
}
