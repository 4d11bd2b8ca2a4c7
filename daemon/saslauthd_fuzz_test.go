package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/saslkit/saslkit/internal/saslauthdwire"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// A scriptConn is a client that sends its bytes and then ends; it keeps the reply.
type scriptConn struct {
	net.Conn
	from  interface{ Read([]byte) (int, error) }
	reply bytes.Buffer
}

func (c *scriptConn) Read(b []byte) (int, error)       { return c.from.Read(b) }
func (c *scriptConn) Write(b []byte) (int, error)      { return c.reply.Write(b) }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

// converse is what a handler says to these bytes, at once and one by one.
func converse(h Handler, sent []byte) (atOnce, oneByOne string) {
	whole := &scriptConn{from: bytes.NewReader(sent)}
	h.ServeConn(context.Background(), &Conn{Conn: whole})
	parts := &scriptConn{from: iotest.OneByteReader(bytes.NewReader(sent))}
	h.ServeConn(context.Background(), &Conn{Conn: parts})
	return whole.reply.String(), parts.reply.String()
}

// Only who sends the password is let in, whatever he sends beside it, and what is said
// is one of a few replies.
func FuzzSaslauthdConn(f *testing.F) {
	for _, c := range muxAnswers {
		if len(c.request) < 2000 {
			f.Add([]byte(c.request))
		}
	}
	f.Add([]byte(counted("alice", "canary-A7", "smtp", "", "192.0.2.1;4000", "x")))
	h := &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers[:1]...)))}
	f.Fuzz(func(t *testing.T, sent []byte) {
		got, oneByOne := converse(h, sent)
		right := bytes.HasPrefix(sent, []byte(counted("alice", "canary-A7")))
		switch got {
		case muxOK:
			if !right {
				t.Errorf("%q is let in", sent)
			}
		case muxNo, muxTooLong, "\x00\x16NO NULL login received", "\x00\x19NO NULL password received":
		case "":
			if n, whole := fourFields(sent); whole && n == len(sent) {
				t.Errorf("%q has no answer", sent)
			}
		default:
			t.Errorf("%q: %q", sent, got)
		}
		// A client that is slow is answered when four fields are there.
		four := sent
		if n, whole := fourFields(sent); whole {
			four = sent[:n]
		}
		if want, _ := converse(h, four); oneByOne != want {
			t.Errorf("%q: %q one by one, want %q", sent, oneByOne, want)
		}
		if oneByOne == muxOK && !right {
			t.Errorf("%q is let in one by one", sent)
		}
	})
}

// fourFields is where the fourth field ends, if it is there and all are within bounds.
func fourFields(b []byte) (end int, whole bool) {
	for range 4 {
		if len(b) < end+2 {
			return 0, false
		}
		size := int(binary.BigEndian.Uint16(b[end:]))
		if end += 2 + size; size > saslauthdwire.DefaultMaxField || len(b) < end {
			return 0, false
		}
	}
	return end, true
}

// The same for pwcheck; and whoever is let in has sent nothing else.
func FuzzPwcheckConn(f *testing.F) {
	for _, c := range pwcheckAnswers {
		f.Add([]byte(c.request))
	}
	h := &Pwcheck{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers[:1]...)))}
	f.Fuzz(func(t *testing.T, sent []byte) {
		got, oneByOne := converse(h, sent)
		const right = "alice\x00canary-A7\x00"
		switch got {
		case pwcheckYes:
			if string(sent) != right {
				t.Errorf("%q is let in", sent)
			}
		case refusalText, pwcheckBroken:
			if string(sent) == right {
				t.Errorf("%q: %q", sent, got)
			}
		case pwcheckTooBig:
			if len(sent) < 1023 {
				t.Errorf("%d bytes: %q", len(sent), got)
			}
		default:
			t.Errorf("%q: %q", sent, got)
		}
		if oneByOne == pwcheckYes && !strings.HasPrefix(string(sent), right) {
			t.Errorf("%q is let in one by one", sent)
		}
		q, err := parsePwcheck(sent)
		switch {
		case err != nil && q != pwcheckQuestion{}:
			t.Errorf("%q: a question with %v", sent, err)
		case err == nil && q.login+"\x00"+q.password+"\x00" != string(sent):
			t.Errorf("%q is parsed as %q and %q", sent, q.login, q.password)
		}
	})
}
