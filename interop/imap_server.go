package interop

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/saslkit/saslkit"
)

// An IMAPBackend makes the sessions of a go-imap server that logs clients in
// with Auth. With InsecureAuth in the server's options what is offered in the
// clear is decided by the Authenticator's policy alone; without it go-imap
// refuses every login in the clear and says LOGINDISABLED.
type IMAPBackend struct {
	Auth *saslkit.Authenticator
	// Peer is what all connections have in common: realms, host names.
	Peer saslkit.PeerConfig
	// Channel tells the facts of a connection; nil means SocketChannel.
	Channel func(net.Conn) saslkit.Channel
	// Mailboxes is what everybody sees here after a login. A real server opens
	// those of the user in Peer.Result when the first mailbox is selected.
	Mailboxes *imapmemserver.User
}

// NewSession is for imapserver.Options. The session outlives STARTTLS, which is
// why the channel is asked for anew at each login.
func (b *IMAPBackend) NewSession(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	if err := handshake(c.NetConn()); err != nil {
		return nil, nil, err
	}
	channel := b.Channel
	if channel == nil {
		channel = SocketChannel
	}
	cfg := b.Peer
	cfg.Service = "imap"
	cfg.Channel = func() saslkit.Channel { return channel(c.NetConn()) }
	cfg.MapError = imapError
	return &imapSession{b.Auth.NewPeer(cfg), imapmemserver.NewUserSession(b.Mailboxes)}, nil, nil
}

// handshakeTimeout bounds how long a client under implicit TLS may stay silent.
const handshakeTimeout = 30 * time.Second

// handshake completes implicit TLS. Otherwise go-imap would send its greeting,
// with the capabilities in it, before the channel is known to be secure, and
// offer what the policy permits in the clear.
func handshake(conn net.Conn) error {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	return t.HandshakeContext(ctx)
}

// An imapSession has AuthenticateMechanisms, Authenticate and the LOGIN command
// from the Peer, and everything after the login from the mailboxes.
type imapSession struct {
	*saslkit.Peer
	*imapmemserver.UserSession
}

// Close settles a login that was under way when the client went.
func (s *imapSession) Close() error {
	s.Peer.Close()
	return s.UserSession.Close()
}

// imapError makes go-imap send the response of the table; any other type would
// go out as NO [SERVERBUG].
func imapError(e *saslkit.Error) error {
	typ, code, text := e.IMAP()
	return &imap.Error{Type: imap.StatusResponseType(typ), Code: imap.ResponseCode(code), Text: text}
}
