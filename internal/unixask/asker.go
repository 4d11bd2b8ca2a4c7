package unixask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// What is taken where an option is zero.
const (
	DefaultLimit   = 100
	DefaultTimeout = 30 * time.Second
)

// MaxPath is the longest path of a socket, in bytes: the field of the system ends
// with a NUL.
const MaxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// Options say whom to ask.
type Options struct {
	Daemon  string        // "saslauthd", with which errors begin
	Socket  string        // path of the socket
	Limit   int           // questions under way; zero means DefaultLimit
	Timeout time.Duration // for one question, its waiting included; zero means DefaultTimeout
	Cures   Cures
}

// Cures are what an error proposes: "is the process in group sasl?".
type Cures struct {
	Denied string // for want of permission
	Absent string // for want of a socket
	Stale  string // nobody listens
}

// An Asker asks. It may be used concurrently.
type Asker struct {
	options Options
	addr    *net.UnixAddr
	turns   chan struct{}
	watch   *watch
}

// New checks the options. Whether the daemon runs is not looked at: servers may
// start before it.
func New(o Options) (*Asker, error) {
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	problem := ""
	switch {
	case o.Socket == "":
		problem = "no path is given"
	case len(o.Socket) > MaxPath:
		problem = fmt.Sprintf("the path has %d bytes, and the system takes no more than %d (move the socket, or link a shorter path to its folder)", len(o.Socket), MaxPath)
	case strings.IndexByte(o.Socket, 0) >= 0 || o.Socket[0] == '@': // Linux's sockets without a path
		problem = "not the path of a file"
	case o.Limit < 0:
		problem = fmt.Sprintf("a limit of %d requests", o.Limit)
	case o.Timeout < 0:
		problem = fmt.Sprintf("a timeout of %v", o.Timeout)
	}
	if problem != "" {
		return nil, fmt.Errorf("%s: socket %.200q: %s", o.Daemon, o.Socket, problem)
	}
	return &Asker{options: o, addr: &net.UnixAddr{Name: o.Socket, Net: "unix"}, turns: make(chan struct{}, o.Limit), watch: newWatch(o.Timeout)}, nil
}

// Place is the folder of the socket if it has the usual name, else its path.
func (a *Asker) Place(usual string) string {
	if filepath.Base(a.options.Socket) == usual {
		return filepath.Dir(a.options.Socket)
	}
	return a.options.Socket
}

// Ask sends a question and returns what the daemon says: until it is whole, the
// daemon closes the connection or the buffer is full. What has come so far is never
// empty when whole is asked. The answer is a part of the buffer, in which the
// question may lie too. The question goes out in one write, and then its end.
//
// An error names the daemon and its socket and, where there is one, the cure. It
// matches the context's error if that is the cause, and context.DeadlineExceeded if
// the time is up.
func (a *Asker) Ask(ctx context.Context, question, buf []byte, whole func([]byte) bool) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, a.trouble("not asked", err)
	}
	select {
	case a.turns <- struct{}{}:
	default:
		bounded, cancel := context.WithTimeout(ctx, a.options.Timeout)
		defer cancel()
		ctx = bounded // for the rest too
		if err := a.waitForTurn(ctx); err != nil {
			return nil, err
		}
	}
	defer func() { <-a.turns }()
	conn, err := a.connect()
	if errors.Is(err, syscall.EAGAIN) {
		bounded, cancel := context.WithTimeout(ctx, a.options.Timeout)
		defer cancel()
		ctx = bounded
		conn, err = a.connectLater(ctx)
	}
	if err != nil {
		return nil, a.unreachable(err)
	}
	defer conn.Close()
	return a.talk(ctx, conn, question, buf, whole)
}

// waitForTurn waits until fewer questions than the limit are under way. Who came
// first is next.
func (a *Asker) waitForTurn(ctx context.Context) error {
	select {
	case a.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return a.trouble(fmt.Sprintf("not asked, for %d requests are under way", a.options.Limit), ctx.Err())
	}
}

// talk has the conversation, until the context or the time ends.
func (a *Asker) talk(ctx context.Context, conn *net.UnixConn, question, buf []byte, whole func([]byte) bool) ([]byte, error) {
	defer a.watch.begin(conn)()
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() { cut(conn) })()
	}
	answer, err := converse(conn, question, buf, whole)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, a.trouble("no answer", ctx.Err())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, a.trouble("no answer", context.DeadlineExceeded)
	}
	return nil, a.trouble("asking", err)
}

// converse asks and listens. That no more will be asked tells saslauthd's process,
// which would wait for us to close the connection, that it is free for the next; and
// one that waits for more than we send gives up at once.
func converse(conn *net.UnixConn, question, buf []byte, whole func([]byte) bool) ([]byte, error) {
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	if err := conn.CloseWrite(); err != nil {
		return nil, err
	}
	for n := 0; ; {
		got, err := conn.Read(buf[n:])
		n += got
		if n == len(buf) || err == io.EOF || got > 0 && whole(buf[:n]) {
			return buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// How long to wait before connecting again: at first, and at most.
const (
	firstPause   = time.Millisecond
	longestPause = 16 * time.Millisecond
)

// connect connects at once or not at all. Where the daemon's queue of connections is
// full (saslauthd's has 32 places, fewer than our limit), Linux says EAGAIN.
func (a *Asker) connect() (*net.UnixConn, error) { return net.DialUnix("unix", nil, a.addr) }

// connectLater waits for a place in the queue, as a blocking connect would.
func (a *Asker) connectLater(ctx context.Context) (*net.UnixConn, error) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("its queue is full: %w", ctx.Err())
		}
		if conn, err := a.connect(); !errors.Is(err, syscall.EAGAIN) {
			return conn, err
		}
	}
}

// unreachable says what may help against the reason why there is no connection.
func (a *Asker) unreachable(err error) error {
	cure := ""
	switch {
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		cure = a.options.Cures.Denied
	case errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR):
		cure = a.options.Cures.Absent
	case errors.Is(err, syscall.ECONNREFUSED):
		cure = a.options.Cures.Stale
	}
	if cure == "" {
		return a.trouble("connect", err)
	}
	return fmt.Errorf("%w (%s)", a.trouble("connect", err), cure)
}

// trouble names daemon and socket, which package net would do a second time.
func (a *Asker) trouble(what string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno
	}
	return fmt.Errorf("%s: %s: %s: %w", a.options.Daemon, a.options.Socket, what, err)
}
