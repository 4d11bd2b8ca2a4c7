package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saslkit/saslkit/internal/dovecotauth"
)

// A dovecotConn is one connection of a client. One goroutine at a time reads, and takes
// the steps of requests; when one of them waits, another reads on. The expiry of a
// request is a goroutine of its own.
type dovecotConn struct {
	*Conn
	dovecot *Dovecot
	times   dovecotTimes
	ctx     context.Context
	cancel  context.CancelFunc
	steps   sync.WaitGroup // that are being taken, and expiries

	// Which step is being taken by the goroutine that reads; 0: none. Whoever makes it 0
	// reads on.
	taking atomic.Uint64
	over   chan struct{} // closed when nobody reads any more

	// Of the goroutine that reads.
	lines    *dovecotauth.Reader
	taken    uint64    // steps
	minor    uint32    // of the client's version
	lineEnd  time.Time // by when the line that has begun must be complete; zero: none has
	lineHead []byte    // what it begins with
	full     rarely    // when there were too many requests
	lookEnd  time.Time // until when is read what is left; zero: the client can write

	mu       sync.Mutex
	requests map[uint32]*dovecotRequest // under way; nil: there was none yet
	strays   int                        // given up and still being worked on
	hungUp   bool                       // what is being worked on is answered, and then it is over
	ended    bool                       // no more is read

	out replies
}

// greet says what a server says first, without waiting for the client: Exim says
// nothing before it has read that.
func (x *dovecotConn) greet() {
	var cookie [16]byte
	rand.Read(cookie[:])
	x.say(dovecotauth.Greeting{
		Version: dovecotauth.Version{Major: dovecotauth.Major, Minor: dovecotauth.Minor},
		Mechs:   x.dovecot.mechanisms(),
		SPID:    dovecotauth.SPID(strconv.Itoa(os.Getpid())),
		CUID:    dovecotauth.CUID(strconv.FormatUint(x.dovecot.connections.Add(1), 10)),
		Cookie:  dovecotauth.Cookie{Hex: hex.EncodeToString(cookie[:])},
	})
}

// serve reads until the connection ends, or should.
func (x *dovecotConn) serve() {
	x.lines, x.over = dovecotauth.NewReader(x), make(chan struct{})
	x.read()
	<-x.over
}

// read reads and takes steps until the connection ends or somebody else reads on. What
// panics, in a logger or an observer, ends the connection.
func (x *dovecotConn) read() {
	elsewhere := false
	defer func() {
		if v := recover(); v != nil {
			x.warn(fmt.Sprintf("daemon: a connection was given up: panic of type %T", v)) // the value may hold anything
		}
		if !elsewhere {
			x.abandon()
			close(x.over)
		}
	}()
	for !elsewhere {
		line, err := x.lines.Line()
		var s *dovecotStep
		if err == nil {
			s, err = x.handle(line)
		}
		if err == dovecotauth.ErrLineTooLong {
			x.refuseLine()
		}
		if err != nil {
			x.complain(err)
			return
		}
		elsewhere = s != nil && !x.take(s)
	}
}

var (
	errProtocol = errors.New("daemon: a client breaks the auth protocol")
	errSlowLine = errors.New("daemon: a client does not complete its line in time")
)

// Read is for the reader of lines: what was said is answered first. A connection that
// should end is read on as long as requests are under way.
func (x *dovecotConn) Read(b []byte) (int, error) {
	x.flush()
	for {
		n, err := x.Conn.Read(b)
		switch {
		case n > 0:
			x.noteLine(b[:n])
			return n, err
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case !x.lineEnd.IsZero() && !time.Now().Before(x.lineEnd):
			return n, errSlowLine
		case !x.goesOn() && !x.lookAgain():
			return n, err
		}
	}
}

// headSize is enough for a command and an id, in bytes.
const headSize = 24

// noteLine gives a line that has begun its time.
func (x *dovecotConn) noteLine(read []byte) {
	last := bytes.LastIndexByte(read, '\n')
	begun := read[last+1:]
	switch {
	case len(begun) == 0: // between lines
		if !x.lineEnd.IsZero() {
			x.lineEnd = time.Time{}
			x.SetReadDeadline(x.lineEnd)
		}
		return
	case last >= 0 || x.lineEnd.IsZero():
		x.lineEnd, x.lineHead = time.Now().Add(x.times.line), x.lineHead[:0]
		x.SetReadDeadline(x.lineEnd)
	}
	x.lineHead = append(x.lineHead, begun[:min(len(begun), headSize-len(x.lineHead))]...)
}

// goesOn reports whether a connection that should end is read on.
func (x *dovecotConn) goesOn() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.hungUp || len(x.requests) == 0 {
		return false
	}
	x.readOn(x.lineEnd)
	return true
}

// lookAgain ends an idle connection so that no request is lost: the client can write no
// more, which makes Postfix connect anew, and what it has written is read and answered.
// A connection that was hung up ends as it is.
func (x *dovecotConn) lookAgain() bool {
	if x.lookEnd.IsZero() {
		half, ok := x.Conn.Conn.(interface{ CloseRead() error })
		if !ok || !x.lastLook() || half.CloseRead() != nil {
			return false
		}
		x.lookEnd = time.Now().Add(x.times.line)
	}
	return time.Now().Before(x.lookEnd) && x.readOn(x.lookEnd) == nil
}

func (x *dovecotConn) lastLook() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	first := !x.hungUp
	x.hungUp = true
	return first
}

// handle does what a line says, as far as that is not the step that it returns.
func (x *dovecotConn) handle(line []byte) (*dovecotStep, error) {
	m, err := dovecotauth.ParseClient(line)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProtocol, err)
	}
	switch m := m.(type) {
	case dovecotauth.Version:
		if m.Major != dovecotauth.Major {
			return nil, fmt.Errorf("%w: version %d.%d", errProtocol, m.Major, m.Minor)
		}
		x.minor = m.Minor
	case dovecotauth.Auth:
		return x.auth(m)
	case dovecotauth.Cont:
		return x.cont(m)
	case dovecotauth.Cancel:
		x.forget(m.ID)
	}
	return nil, nil
}

// complain tells the log why a connection ends, if that is the client's fault.
func (x *dovecotConn) complain(err error) {
	if err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) && !x.Stopping() && x.ctx.Err() == nil {
		x.warn(err.Error())
	}
}

func (x *dovecotConn) warn(reason string) {
	if x.dovecot.Logger != nil {
		x.dovecot.Logger.Warn("auth client", "peer", x.Peer().String(), "reason", reason)
	}
}

// abandon settles what is under way when nobody reads any more. A client that is gone
// has abandoned it; after hanging up, what is being worked on is still answered.
func (x *dovecotConn) abandon() {
	hungUp := x.settle(func(r *dovecotRequest) bool { return !x.hungUp || !r.busy })
	if !hungUp {
		x.cancel()
	}
}

// end waits for what is being worked on.
func (x *dovecotConn) end() {
	defer x.cancel() // also if a guard panics
	x.steps.Wait()
	x.flush()
	x.settle(func(*dovecotRequest) bool { return true })
}

// settle ends requests without an answer, and lets no others wait for their clients.
func (x *dovecotConn) settle(which func(*dovecotRequest) bool) (hungUp bool) {
	x.mu.Lock()
	x.ended = true
	hungUp = x.hungUp
	var settled []*dovecotRequest
	for _, r := range x.requests {
		if which(r) {
			settled = append(settled, r)
			x.remove(r)
		}
	}
	x.mu.Unlock()
	for _, r := range settled {
		r.close()
	}
	return hungUp
}

// hangUp makes the reader end. It is how these protocols say that there is trouble.
func (x *dovecotConn) hangUp() {
	x.mu.Lock()
	x.hungUp = true
	x.mu.Unlock()
	x.Stop()
}

// rest wakes the reader of a connection that should end, when nothing is under way any
// more.
func (x *dovecotConn) rest() {
	x.mu.Lock()
	last := len(x.requests) == 0 && !x.hungUp
	x.mu.Unlock()
	if last && x.Stopping() {
		x.Stop()
	}
}
