package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// What saslauthd's protocol and pwcheck's have in common: a connection is for one
// question, whether this is the password.

// The protocols, as log and metrics call them.
const (
	saslauthdProtocol = "saslauthd"
	pwcheckProtocol   = "pwcheck"
)

// A verdict is the answer. The zero verdict is none: there is trouble.
type verdict uint8

const (
	unanswered verdict = iota
	refused
	yes
)

// login asks whether this is the password of that name. The wire counts as secure: it
// does not leave the host. What became of the client's own is for who asks to know.
func (s *Site) login(ctx context.Context, protocol, service, name, password string, remote netip.AddrPort) verdict {
	channel := saslkit.Channel{Secure: true, Remote: remote}
	peer := s.Auth.NewPeer(saslkit.PeerConfig{
		Context: ctx, Protocol: protocol, Service: service, HostNames: s.HostNames, Realm: s.Realm,
		Channel: func() saslkit.Channel { return channel },
	})
	defer peer.Close()
	err := peer.Login(name, password)
	if err == nil {
		return yes
	}
	switch mech.AsError(err).Class {
	case mech.Unavailable, mech.Cancelled:
		return unanswered
	}
	return refused
}

// connTimes bound a connection. The zero values are what they are but in tests.
type connTimes struct {
	ofRequest time.Duration // in which the request must be there: 10 s
	ofAll     time.Duration // in which it must be answered: 30 s from the beginning
	ofStop    time.Duration // in which the request must be there when the server stops: 1 s
}

func (t connTimes) request() time.Duration { return orElse(t.ofRequest, 10*time.Second) }
func (t connTimes) total() time.Duration   { return orElse(t.ofAll, 30*time.Second) }
func (t connTimes) stop() time.Duration    { return orElse(t.ofStop, time.Second) }

func orElse(d, usual time.Duration) time.Duration {
	if d == 0 {
		return usual
	}
	return d
}

// A requestReader reads what a client has to say, while there is time. A server that
// stops lets it finish: its request is on the way.
type requestReader struct {
	conn    *Conn
	end     time.Time
	stop    time.Duration
	hurried bool // the server stops
}

func newRequestReader(c *Conn, t connTimes) *requestReader {
	r := &requestReader{conn: c, end: time.Now().Add(t.request()), stop: t.stop()}
	c.SetReadDeadline(r.end)
	return r
}

func (r *requestReader) Read(b []byte) (int, error) {
	for {
		n, err := r.conn.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !r.conn.Stopping() || !r.hurry() {
			return n, err
		}
	}
}

// hurry lets the connection be read for a little while; false if that is over. Who is
// stopped again is given no more time.
func (r *requestReader) hurry() bool {
	now := time.Now()
	if end := now.Add(r.stop); !r.hurried && end.Before(r.end) {
		r.end = end
	}
	r.hurried = true
	return now.Before(r.end) && r.conn.readOn(r.end) == nil
}

// complain tells the log why there is no request, unless a client only came to look
// whether somebody listens, or the server stops.
func complain(l *slog.Logger, who string, c *Conn, err error) {
	if l == nil || err == io.EOF || c.Stopping() {
		return
	}
	l.Warn(who, "peer", c.Peer().String(), "reason", err.Error())
}
