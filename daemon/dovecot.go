package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/internal/workers"
	"github.com/saslkit/saslkit/mech"
)

// Dovecot speaks Dovecot's auth protocol, in which Postfix (smtpd_sasl_type = dovecot),
// Exim and Dovecot's login processes ask. Every request on a connection goes its own way:
// a slow one does not hold up the others, unless a verifier waits without having asked
// when its context ends.
//
// A connection may be idle for ever, since Postfix keeps its own for later; but a line
// that has begun must be complete within 10 s, and answers must be read within 10 s. It
// may have 1,024 requests under way, and all connections together 32,768; what is beyond
// is told that there is temporary trouble. One that waits for its client is forgotten
// after 150 s, and counts as a guess.
//
// Who connects is trusted with what it says about its client: the addresses, that the
// client is under TLS, which certificate it has. Who may connect is a matter of the
// socket's mode.
type Dovecot struct {
	// Current holds what is served; it must be set.
	Current *Current
	// Logger hears who connects, and of clients that break the protocol; nil: nobody.
	Logger *slog.Logger

	connections atomic.Uint64
	underWay    atomic.Int64 // requests of all connections
	lastMechs   atomic.Pointer[[]dovecotauth.Mech]
	workers     workers.Pool // for requests
	times       dovecotTimes // zero but in tests
}

// dovecotTimes are for how long a connection waits; 0 is the constant's.
type dovecotTimes struct{ request, line, write time.Duration }

const (
	// maxOutstanding bounds the requests under way on a connection. Postfix forgets
	// those that its clients give up.
	maxOutstanding = 1024
	// maxUnderWay bounds them on all connections: a request takes 2 to 13 KB, of which
	// that makes 420 MB. Connections of Postfix, which have one each, are fewer.
	maxUnderWay = 32 << 10
	// requestTime is for how long a client of the client may think: longer than any
	// mail server waits for a response.
	requestTime = 150 * time.Second
	// lineTime is for how long a line may take from its first byte to its last.
	lineTime = 10 * time.Second
	// writeTime is for how long a client may leave answers unread.
	writeTime = 10 * time.Second
	// maxReply is the longest line that is sent, in bytes: Exim crashes on more.
	maxReply = 8191
)

// orUsual returns the times to wait for.
func (t dovecotTimes) orUsual() dovecotTimes {
	for _, f := range []struct {
		of    *time.Duration
		usual time.Duration
	}{{&t.request, requestTime}, {&t.line, lineTime}, {&t.write, writeTime}} {
		if *f.of == 0 {
			*f.of = f.usual
		}
	}
	return t
}

// ServeConn implements Handler.
func (d *Dovecot) ServeConn(ctx context.Context, c *Conn) {
	ctx, cancel := context.WithCancel(ctx)
	x := &dovecotConn{Conn: c, dovecot: d, ctx: ctx, cancel: cancel, times: d.times.orUsual()}
	defer x.end()
	if d.Logger != nil {
		d.Logger.Info("auth client", "peer", c.Peer().String())
	}
	x.greet()
	x.serve()
}

// mechanisms is what is announced. A list that is empty would be the end of Postfix's
// smtpd, so then the last one that was not is repeated.
func (d *Dovecot) mechanisms() []dovecotauth.Mech {
	site := d.Current.Site()
	var list []dovecotauth.Mech
	for _, name := range site.Announced() {
		list = append(list, dovecotauth.Mech{Name: name, Properties: properties(mech.ByName(name))})
	}
	if list != nil {
		d.lastMechs.Store(&list)
		return list
	}
	if last := d.lastMechs.Load(); last != nil {
		return *last
	}
	m := lastResort(site.Auth)
	return []dovecotauth.Mech{{Name: m.Name, Properties: properties(m)}}
}

// lastResort is announced, in vain, as long as nobody can log in: a mechanism that the
// site permits, so that nobody is asked for a password that must not be sent.
func lastResort(auth *saslkit.Authenticator) *mech.Mechanism {
	for _, m := range offerable(auth) {
		listed := len(auth.Mechanisms) > 0 || !m.OnlyIfNamed
		if listed && !m.Binds && m.Need != mech.NeedExternal && auth.Policy.Missing(m, true) == 0 {
			return m
		}
	}
	return mech.SCRAMSHA256
}

// properties are the words by which Postfix's smtpd_sasl_security_options choose. They
// are those of Dovecot for the same mechanism, so that these options go on meaning what
// they meant: to Cyrus SASL also PLAIN is open to active attacks and to dictionaries.
func properties(m *mech.Mechanism) dovecotauth.Params {
	var p dovecotauth.Params
	switch {
	case m.Provides&mech.NoAnonymous == 0:
		p = append(p, "anonymous")
	case m.Provides&mech.NoPlaintext == 0:
		p = append(p, "plaintext")
	case m.Provides&(mech.NoDictionary|mech.NoActive) == 0:
		p = append(p, "dictionary", "active")
	}
	if m.Provides&mech.ForwardSecrecy != 0 {
		p = append(p, "forward-secrecy")
	}
	if m.Provides&mech.MutualAuth != 0 {
		p = append(p, "mutual-auth")
	}
	return p
}
