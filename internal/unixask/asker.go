package unixask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
	turns   chan struct{}
	dialer  net.Dialer
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
	return &Asker{options: o, turns: make(chan struct{}, o.Limit)}, nil
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
// empty when whole is asked. The answer is a part of the
// buffer, in which the question may lie too. The question goes out in one write.
//
// An error names the daemon and its socket and, where there is one, the cure. It
// matches the context's error if that is the cause.
func (a *Asker) Ask(ctx context.Context, question, buf []byte, whole func([]byte) bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	if err := a.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer func() { <-a.turns }()
	conn, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) // long ago
	defer stop()
	answer, err := talk(conn, question, buf, whole)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, a.trouble("no answer", ctx.Err())
	}
	return nil, a.trouble("asking", err)
}

// takeTurn waits until fewer questions than the limit are under way. Who came first
// is next.
func (a *Asker) takeTurn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return a.trouble("not asked", err)
	}
	select {
	case a.turns <- struct{}{}:
		return nil
	default:
	}
	select {
	case a.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return a.trouble(fmt.Sprintf("not asked, for %d requests are under way", a.options.Limit), ctx.Err())
	}
}

func talk(conn net.Conn, question, buf []byte, whole func([]byte) bool) ([]byte, error) {
	if _, err := conn.Write(question); err != nil {
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

// connect waits, as a blocking connect would, where the daemon has a queue of
// connections that is full: saslauthd's has 32 places, fewer than our limit, and
// Linux tells that by EAGAIN.
func (a *Asker) connect(ctx context.Context) (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		conn, err := a.dialer.DialContext(ctx, "unix", a.options.Socket)
		switch {
		case err == nil:
			return conn, nil
		case ctx.Err() != nil:
			return nil, a.trouble("connecting", ctx.Err())
		case !errors.Is(err, syscall.EAGAIN):
			return nil, a.unreachable(err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, a.trouble("connecting, for its queue is full", ctx.Err())
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
