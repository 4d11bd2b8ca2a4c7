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
	"time"

	"github.com/saslkit/saslkit/internal/dovecotauth"
)

// A dovecotConn is one connection of a client. One goroutine reads; each step of a
// request is a goroutine of its own, and so is its expiry.
type dovecotConn struct {
	*Conn
	dovecot *Dovecot
	times   dovecotTimes
	ctx     context.Context
	cancel  context.CancelFunc
	steps   sync.WaitGroup // goroutines of requests

	// Of the goroutine that reads.
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

	writing sync.Mutex // comes before mu
	broken  bool       // a write has failed; under writing
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
	lines := dovecotauth.NewReader(x)
	for {
		line, err := lines.Line()
		if err == nil {
			err = x.handle(line)
		}
		if err == dovecotauth.ErrLineTooLong {
			x.refuseLine()
		}
		if err != nil {
			x.complain(err)
			return
		}
	}
}

var (
	errProtocol = errors.New("daemon: a client breaks the auth protocol")
	errSlowLine = errors.New("daemon: a client does not complete its line in time")
)

// Read is for the reader of lines. A connection that should end is read on as long as
// requests are under way.
func (x *dovecotConn) Read(b []byte) (int, error) {
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

func (x *dovecotConn) handle(line []byte) error {
	m, err := dovecotauth.ParseClient(line)
	if err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	switch m := m.(type) {
	case dovecotauth.Version:
		if m.Major != dovecotauth.Major {
			return fmt.Errorf("%w: version %d.%d", errProtocol, m.Major, m.Minor)
		}
		x.minor = m.Minor
	case dovecotauth.Auth:
		return x.auth(m)
	case dovecotauth.Cont:
		return x.cont(m)
	case dovecotauth.Cancel:
		x.forget(m.ID)
	}
	return nil
}

// complain tells the log why a connection ends, if that is the client's fault.
func (x *dovecotConn) complain(err error) {
	if err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) && !x.Stopping() && x.ctx.Err() == nil {
		x.warn(err.Error())
	}
}

func (x *dovecotConn) warn(reason string) {
	if x.dovecot.Logger != nil {
		x.dovecot.Logger.Warn("auth client", "peer", x.Peer.String(), "reason", reason)
	}
}

// end settles what is under way. A client that is gone has abandoned it; after hanging
// up, what is being worked on is still answered.
func (x *dovecotConn) end() {
	defer x.cancel() // also if a guard panics
	hungUp := x.settle(func(r *dovecotRequest) bool { return !x.hungUp || !r.busy })
	if !hungUp {
		x.cancel()
	}
	x.steps.Wait()
	x.settle(func(*dovecotRequest) bool { return true })
}

// settle ends requests without an answer, and lets no others wait for their clients.
func (x *dovecotConn) settle(which func(*dovecotRequest) bool) (hungUp bool) {
	x.mu.Lock()
	x.ended = true
	hungUp = x.hungUp
	var settled []*dovecotRequest
	for id, r := range x.requests {
		if which(r) {
			settled = append(settled, r)
			delete(x.requests, id)
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

func (x *dovecotConn) say(m dovecotauth.Message) {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.write(m)
}

// write is called with writing locked. After a failure, which may have left half a line,
// nothing more is said and nobody waits for the client again.
func (x *dovecotConn) write(m dovecotauth.Message) {
	if x.broken {
		return
	}
	text, err := m.Append(nil)
	if err == nil && len(text) > maxReply {
		err = errors.New("daemon: a reply is too long")
	}
	if err == nil {
		x.SetWriteDeadline(time.Now().Add(x.times.write))
		_, err = x.Conn.Write(text)
	}
	if err != nil {
		x.broken = true
		x.cancel()
		x.hangUp()
	}
}
