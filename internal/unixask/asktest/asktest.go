// Package asktest holds the daemon that tests of package unixask and of its users
// ask.
package asktest

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// A Daemon listens on a unix socket and has a script for every connection.
type Daemon struct {
	Socket string

	t        testing.TB
	listener *net.UnixListener
	serving  sync.WaitGroup // scripts and the loop that accepts

	mu     sync.Mutex
	script func(net.Conn)
	conns  map[net.Conn]bool
}

// Start starts a daemon on a socket of this name, until the test ends. A script may
// return at any time: its connection is closed then.
func Start(t testing.TB, name string, script func(net.Conn)) *Daemon {
	t.Helper()
	d := &Daemon{Socket: filepath.Join(t.TempDir(), name), t: t, script: script, conns: make(map[net.Conn]bool)}
	d.Restart()
	t.Cleanup(d.Kill)
	return d
}

// Restart lets the daemon listen, again, on a new socket.
func (d *Daemon) Restart() {
	d.t.Helper()
	os.Remove(d.Socket) // as the real ones do
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.Socket, Net: "unix"})
	if err != nil {
		d.t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // a killed daemon leaves it
	d.listener = l
	d.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			script := d.enter(conn)
			d.serving.Go(func() {
				defer d.leave(conn)
				script(conn)
			})
		}
	})
}

func (d *Daemon) enter(conn net.Conn) (script func(net.Conn)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[conn] = true
	return d.script
}

func (d *Daemon) leave(conn net.Conn) {
	conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, conn)
}

// Kill ends the daemon with all connections and leaves its socket behind.
func (d *Daemon) Kill() {
	d.listener.Close()
	d.mu.Lock()
	for conn := range d.conns {
		conn.Close()
	}
	d.mu.Unlock()
	d.serving.Wait()
}

// Script is for the connections that come from now on.
func (d *Daemon) Script(script func(net.Conn)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.script = script
}

// Connections is how many there are.
func (d *Daemon) Connections() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// Gone waits until the client has closed the connection, and not only its half of it.
func Gone(conn net.Conn) {
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return
	}
	// Nothing more comes. Whether somebody is there to take an answer shows when
	// nothing is sent to him.
	for {
		if _, err := conn.Write(nil); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// Leaks returns a function that fails the test unless goroutines and descriptors come
// down to what they were. Nothing else may run in the process.
func Leaks(t testing.TB) (check func()) {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), descriptors()
	return func() {
		t.Helper()
		Until(t, "goroutines and descriptors are back", func() bool {
			return runtime.NumGoroutine() <= goroutines && descriptors() <= files
		})
	}
}

// descriptors counts those of the process, 0 where that is not to be had.
func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// Until waits for a condition, and fails the test after three minutes.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after three minutes it is not so that %s", what)
		}
	}
}

// Impatient is a script after the beginning of which a context ends.
func Impatient(t testing.TB, script func(net.Conn)) (func(net.Conn), context.Context) {
	ctx, leave := context.WithCancel(t.Context())
	t.Cleanup(leave)
	return func(conn net.Conn) {
		time.AfterFunc(30*time.Millisecond, leave)
		script(conn)
	}, ctx
}
