package dovecot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/dovecotauth"
)

// A conn is a connection after its handshake. Requests are queued for one goroutine that
// writes, so that a caller can leave while Dovecot does not read; another one reads and
// hands the answers out by their ids.
type conn struct {
	net   net.Conn
	lines *dovecotauth.Reader
	minor uint32
	wake  chan struct{} // has one when there is something to write
	ended chan struct{} // closed when the connection has failed

	mu      sync.Mutex
	err     error // why the connection has ended
	queue   []byte
	last    uint32 // the id given last
	waiting map[uint32]*waiter
	heard   bool // something was read since the connection was made
}

// A waiter is a caller.
type waiter struct {
	answer chan answer // has room for the only one
	idle   bool        // nothing was read since the connection was idle
}

const (
	// maxQueue bounds what waits to be written, in bytes: Dovecot reads at once
	// unless it is stuck.
	maxQueue = 4 << 20
	// writeTimeout is for which Dovecot may not read.
	writeTimeout = 30 * time.Second
	// cancelMinor is the first minor version with CANCEL, of Dovecot 2.0. To an older
	// one an unknown command is a reason to close the connection.
	cancelMinor = 1
)

var (
	errBroken  = errors.New("connection ended before the answer")
	errWasIdle = errors.New("connection ended while it was idle")
	errFull    = errors.New("too much waits to be sent (is Dovecot stuck?)")
)

func newConn(nc net.Conn, lines *dovecotauth.Reader, minor uint32) *conn {
	return &conn{
		net: nc, lines: lines, minor: minor,
		wake: make(chan struct{}, 1), ended: make(chan struct{}), waiting: make(map[uint32]*waiter),
	}
}

// ask sends a request and waits for its answer. An error that matches errWasIdle means
// that no answer was or will be given.
func (c *conn) ask(ctx context.Context, q question) (answer, error) {
	id, w, err := c.send(q)
	if err != nil {
		return answer{}, err
	}
	select {
	case a := <-w.answer:
		return a, nil
	case <-c.ended:
	case <-ctx.Done():
		c.cancel(id)
		return answer{}, over(ctx, "waiting for the answer")
	}
	select {
	case a := <-w.answer: // came before the end
		return a, nil
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.idle {
		return answer{}, fmt.Errorf("%w: %w", errWasIdle, c.err)
	}
	return answer{}, fmt.Errorf("%w: %w", errBroken, c.err)
}

// send queues a request under an id that no waiter has. Ids count up and begin again
// after four thousand millions, when nobody remembers the first.
func (c *conn) send(q question) (uint32, *waiter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil: // nothing was sent
		return 0, nil, fmt.Errorf("%w: %w", errWasIdle, c.err)
	case len(c.queue) > maxQueue:
		return 0, nil, errFull
	}
	id := c.last + 1
	for id == 0 || c.waiting[id] != nil { // Dovecot takes no 0
		id++
	}
	queue, err := q.append(c.queue, id)
	if err != nil {
		return 0, nil, err
	}
	w := &waiter{answer: make(chan answer, 1), idle: c.isIdle()}
	c.last, c.queue, c.waiting[id] = id, queue, w
	c.wakeWriter()
	return id, w, nil
}

// isIdle reports whether a request that is sent now can only be unanswered because the
// connection had ended before: it has been of use, and all who wait found it idle.
func (c *conn) isIdle() bool {
	for _, w := range c.waiting {
		return w.idle // they all are or none is
	}
	return c.heard
}

// cancel makes nobody wait for an id any more. Dovecot 2.3.19 forgets a request that
// waits for its client, but answers one for which it has begun to look.
func (c *conn) cancel(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[id] == nil || c.err != nil {
		return // answered or over
	}
	delete(c.waiting, id)
	if c.minor < cancelMinor || len(c.queue) > maxQueue {
		return
	}
	if queue, err := (dovecotauth.Cancel{ID: id}).Append(c.queue); err == nil {
		c.queue = queue
		c.wakeWriter()
	}
}

func (c *conn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default: // somebody else has
	}
}

// write sends what is queued until the connection ends.
func (c *conn) write() {
	var free []byte // the buffer that was written last
	for {
		select {
		case <-c.wake:
		case <-c.ended:
			return
		}
		c.mu.Lock()
		b := c.queue
		c.queue = free[:0]
		c.mu.Unlock()
		c.net.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := c.net.Write(b); err != nil {
			c.fail(err)
			return
		}
		if free = b; cap(b) > 64<<10 {
			free = nil
		}
	}
}

// read hands out answers until the connection ends.
func (c *conn) read() {
	for {
		line, err := c.lines.Line()
		if err == nil {
			err = c.take(line)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// take hands one line to who waits for it. Who has gone, or was answered, is passed
// over, as are unknown commands.
func (c *conn) take(line []byte) error {
	m, err := dovecotauth.ParseServer(line)
	if err != nil {
		return err
	}
	a, ok := answerIn(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = true
	for _, w := range c.waiting {
		if !w.idle {
			break
		}
		w.idle = false
	}
	if w := c.waiting[a.id]; ok && w != nil {
		delete(c.waiting, a.id)
		w.answer <- a
	}
	return nil
}

func (c *conn) isOver() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// fail ends the connection, for the first reason that is given.
func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	c.queue = nil
	close(c.ended)
	c.net.Close()
}
