package unixask

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// A watch cuts conversations off that last too long. It has one timer for all: a
// timer for each would wake the scheduler for each, which takes a login longer than
// the rest of what is done here.
type watch struct {
	patience time.Duration
	now      func() time.Time
	after    func(time.Duration, func()) // calls the function once

	mu     sync.Mutex
	under  list.List // of conversation, in the order of their ends
	ticker bool      // tick will be called
}

type conversation struct {
	conn net.Conn
	end  time.Time
}

func newWatch(patience time.Duration) *watch {
	return &watch{patience: patience, now: time.Now, after: func(d time.Duration, f func()) { time.AfterFunc(d, f) }}
}

// begin watches a connection until the function that it returns is called.
func (w *watch) begin(conn net.Conn) (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.under.PushBack(conversation{conn, w.now().Add(w.patience)})
	if !w.ticker {
		w.ticker = true
		w.after(w.patience, w.tick)
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.under.Remove(e)
	}
}

// tick cuts off what is due and comes back when the next may be, unless there is
// none.
func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	for e := w.under.Front(); e != nil; e = w.under.Front() {
		c := e.Value.(conversation)
		if wait := c.end.Sub(now); wait > 0 {
			w.after(wait, w.tick)
			return
		}
		cut(c.conn)
		w.under.Remove(e)
	}
	w.ticker = false
}

// cut ends what is under way on a connection, and what will be.
func cut(conn net.Conn) { conn.SetDeadline(time.Unix(1, 0)) }
