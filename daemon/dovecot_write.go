package daemon

import (
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/dovecotauth"
)

// replies are what is to be said on a connection. They are written together: one by
// itself costs the server and its client a call of the system and a wake-up each.
type replies struct {
	writing sync.Mutex // comes before mu
	mu      sync.Mutex // comes before the connection's
	text    []byte     // not written yet
	broken  bool       // a write has failed
}

// keptReplies is how large a buffer a connection may keep for its replies, in bytes.
const keptReplies = 2048

// say makes a message one of those that are written next.
func (x *dovecotConn) say(m dovecotauth.Message) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	x.put(m)
}

// put is called with the lock of the replies.
func (x *dovecotConn) put(m dovecotauth.Message) {
	if x.out.broken {
		return
	}
	before := len(x.out.text)
	text, err := m.Append(x.out.text)
	if err != nil || len(text)-before > maxReply {
		x.fall()
		return
	}
	x.out.text = text
}

// flush writes what there is to say. It returns when that is written or never will be,
// also if somebody else is at it: so who reads requests waits for a client that does not
// read its answers.
func (x *dovecotConn) flush() {
	o := &x.out
	o.writing.Lock()
	defer o.writing.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.text) == 0 {
		return
	}
	text := o.text
	o.text = nil
	o.mu.Unlock()
	x.SetWriteDeadline(time.Now().Add(x.times.write))
	_, err := x.Conn.Write(text)
	o.mu.Lock()
	if err != nil {
		x.fall()
	}
	if o.text == nil && cap(text) <= keptReplies {
		o.text = text[:0]
	}
}

// fall is called, with the lock of the replies, after a failure that may have left half
// a line: nothing more is said, and nobody waits for the client again.
func (x *dovecotConn) fall() {
	x.out.broken, x.out.text = true, nil
	x.cancel()
	x.hangUp()
}
