package interop

import (
	"net"

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
