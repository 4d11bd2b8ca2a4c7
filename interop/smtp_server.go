package interop

import (
	"io"
	"net"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
)

// An SMTPBackend makes the sessions of a go-smtp server that logs clients in
// with Auth. Set the server's AllowInsecureAuth: what is offered in the clear is
// then decided by the Authenticator's policy alone, and a client that asks for
// more hears 538 5.7.11.
type SMTPBackend struct {
	Auth *saslkit.Authenticator
	// Peer is what all connections have in common: realms, host names.
	Peer saslkit.PeerConfig
	// Channel tells the facts of a connection; nil means SocketChannel. A
	// server behind a proxy that ends TLS says here what the proxy said.
	Channel func(net.Conn) saslkit.Channel
}

// NewSession implements smtp.Backend. After STARTTLS go-smtp asks for a new
// session.
func (b *SMTPBackend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	channel := b.Channel
	if channel == nil {
		channel = SocketChannel
	}
	cfg := b.Peer
	cfg.Service = "smtp"
	cfg.Channel = func() saslkit.Channel { return channel(c.Conn()) }
	cfg.MapError = smtpError
	return &smtpSession{b.Auth.NewPeer(cfg)}, nil
}

// An smtpSession has AuthMechanisms and Auth from the Peer, which is all that
// go-smtp asks for.
type smtpSession struct {
	*saslkit.Peer
}

func (s *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	if _, ok := s.Result(); !ok {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	return nil
}

func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error { return nil }

// Data would hand the message on under the name in s.Result.
func (s *smtpSession) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// Reset ends a mail transaction; the login outlives it.
func (s *smtpSession) Reset() {}

// Logout settles a login that was under way when the client went. go-smtp's Server.Close
// calls it from another goroutine, which a Peer bears.
func (s *smtpSession) Logout() error { return s.Close() }

// smtpError makes go-smtp send the code and text of the table; any other type
// would go out as 454.
func smtpError(e *saslkit.Error) error {
	code, enhanced, text := e.SMTP()
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}
