package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/mech"
)

// Dovecot speaks Dovecot's auth protocol, in which Postfix (smtpd_sasl_type = dovecot),
// Exim and Dovecot's login processes ask. Every request on a connection goes its own way:
// a slow one does not hold up the others.
//
// Who connects is trusted with what it says about its client: the addresses, that the
// client is under TLS, which certificate it has. Who may connect is a matter of the
// socket's mode.
type Dovecot struct {
	Current *Current
	// Logger hears of clients that break the protocol; nil: nobody.
	Logger *slog.Logger

	connections atomic.Uint64
	lastMechs   atomic.Pointer[[]dovecotauth.Mech]
}

const (
	// maxOutstanding bounds the requests under way on a connection. Postfix forgets
	// those that its clients give up.
	maxOutstanding = 1024
	// requestLife is for how long a client of the client may think: longer than any
	// mail server waits for a response.
	requestLife = 150 * time.Second
	// writeTime is for how long a client may leave answers unread.
	writeTime = 10 * time.Second
	// maxReply is the longest line that is sent, in bytes: Exim crashes on more.
	maxReply = 8191
)

// ServeConn implements Handler.
func (d *Dovecot) ServeConn(ctx context.Context, c *Conn) {
	ctx, cancel := context.WithCancel(ctx)
	x := &dovecotConn{Conn: c, dovecot: d, ctx: ctx, requests: make(map[uint32]*dovecotRequest)}
	defer x.end(cancel)
	if err := x.greet(); err != nil {
		return
	}
	lines := dovecotauth.NewReader(x)
	for {
		line, err := lines.Line()
		if err == nil {
			err = x.handle(line)
		}
		if err != nil {
			x.complain(err)
			return
		}
	}
}

// mechanisms is what is announced, strongest first: all that some client may use. The
// channel of a request is not known yet. A list that is empty would be the end of
// Postfix's smtpd, so then the last one that was not is repeated.
func (d *Dovecot) mechanisms() []dovecotauth.Mech {
	auth := d.Current.Site().Auth
	offered := auth.Advertised(saslkit.Channel{})
	for _, name := range auth.Advertised(saslkit.Channel{Secure: true, External: announced(auth)}) {
		if !slices.Contains(offered, name) {
			offered = append(offered, name)
		}
	}
	var list []dovecotauth.Mech
	for _, m := range mech.All() {
		if slices.Contains(offered, m.Name) {
			list = append(list, dovecotauth.Mech{Name: m.Name, Properties: properties(m)})
		}
	}
	// The site's own order, if it has one.
	slices.SortStableFunc(list, func(a, b dovecotauth.Mech) int {
		return slices.Index(auth.Mechanisms, a.Name) - slices.Index(auth.Mechanisms, b.Name)
	})
	if list != nil {
		d.lastMechs.Store(&list)
	} else if last := d.lastMechs.Load(); last != nil {
		return *last
	} else {
		return []dovecotauth.Mech{{Name: mech.PLAIN.Name, Properties: properties(mech.PLAIN)}}
	}
	return list
}

// announced is an identity for EXTERNAL to be announced with, where the site named it.
func announced(auth *saslkit.Authenticator) string {
	if mech.Listed(auth.Mechanisms, mech.EXTERNAL.Name) {
		return "somebody"
	}
	return ""
}

// properties are those words of the protocol for which Postfix has options.
func properties(m *mech.Mechanism) dovecotauth.Params {
	var p dovecotauth.Params
	for _, word := range []struct {
		word    string
		bit     mech.Properties
		present bool // the bit, for the word to be said
	}{
		{"plaintext", mech.NoPlaintext, false}, {"dictionary", mech.NoDictionary, false}, {"active", mech.NoActive, false},
		{"anonymous", mech.NoAnonymous, false}, {"forward-secrecy", mech.ForwardSecrecy, true}, {"mutual-auth", mech.MutualAuth, true},
	} {
		if (m.Provides&word.bit != 0) == word.present {
			p = append(p, word.word)
		}
	}
	return p
}

// A dovecotConn is one connection of a client.
type dovecotConn struct {
	*Conn
	dovecot *Dovecot
	ctx     context.Context
	minor   uint32 // of the client's version
	steps   sync.WaitGroup

	mu       sync.Mutex
	requests map[uint32]*dovecotRequest
	hungUp   bool

	writing sync.Mutex
}

// greet says what a server says first, without waiting for the client: Exim says
// nothing before it has read that.
func (x *dovecotConn) greet() error {
	var cookie [16]byte
	rand.Read(cookie[:])
	g := dovecotauth.Greeting{
		Version: dovecotauth.Version{Major: dovecotauth.Major, Minor: dovecotauth.Minor},
		Mechs:   x.dovecot.mechanisms(),
		SPID:    dovecotauth.SPID(strconv.Itoa(os.Getpid())),
		CUID:    dovecotauth.CUID(strconv.FormatUint(x.dovecot.connections.Add(1), 10)),
		Cookie:  dovecotauth.Cookie{Hex: hex.EncodeToString(cookie[:])},
	}
	text, err := g.Append(nil)
	if err != nil {
		return err
	}
	return x.write(text)
}

// Read is for the reader of lines. A connection that is to end is read on as long as
// requests are under way.
func (x *dovecotConn) Read(b []byte) (int, error) {
	for {
		n, err := x.Conn.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !x.goesOn() {
			return n, err
		}
	}
}

func (x *dovecotConn) goesOn() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.hungUp || len(x.requests) == 0 {
		return false
	}
	x.Conn.Conn.SetReadDeadline(time.Time{})
	return true
}

var errProtocol = errors.New("daemon: a client breaks the auth protocol")

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
		if r := x.take(m.ID); r != nil {
			r.peer.Close()
		}
	}
	return nil
}

// complain tells the log why a connection ends, if that is the client's fault.
func (x *dovecotConn) complain(err error) {
	if x.dovecot.Logger == nil || err == io.EOF || errors.Is(err, os.ErrDeadlineExceeded) || x.ctx.Err() != nil {
		return
	}
	x.dovecot.Logger.Warn("auth client", "peer", x.Peer.String(), "reason", err.Error())
}

// end settles what is under way: a client that is gone has abandoned it.
func (x *dovecotConn) end(cancel context.CancelFunc) {
	if !x.isHungUp() {
		cancel()
	}
	x.steps.Wait() // after hanging up they may still be answered
	cancel()
	x.mu.Lock()
	left := x.requests
	x.requests = nil
	x.mu.Unlock()
	for _, r := range left {
		r.close()
	}
}

// hangUp makes the reader end. It is how these protocols say that there is trouble.
func (x *dovecotConn) hangUp() {
	x.mu.Lock()
	x.hungUp = true
	x.mu.Unlock()
	x.Stop()
}

func (x *dovecotConn) isHungUp() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.hungUp
}

func (x *dovecotConn) say(m dovecotauth.Message) {
	text, err := m.Append(nil)
	if err == nil && len(text) > maxReply {
		err = fmt.Errorf("a reply of %d bytes", len(text))
	}
	if err == nil {
		err = x.write(text)
	}
	if err != nil {
		x.hangUp()
	}
}

func (x *dovecotConn) write(text []byte) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := x.Write(text)
	return err
}
