package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// A labServer is a submission server that offers every mechanism there is, also
// in the clear, and throws away the mail it accepts. It is for trying clients.
type labServer struct {
	auth  *saslkit.Authenticator
	realm realm.Policy
	smtp  *smtp.Server
}

// labTimeout is how long a client may be silent (RFC 5321 section 4.5.3.2.7).
const labTimeout = 5 * time.Minute

// labLine is what RFC 4954 section 4 lets a line of an exchange hold, in bytes
// with CRLF. go-smtp's own 2,000 is too short for a token or a ticket.
const labLine = 12288 + 2

// newLabServer makes a server that offers these mechanisms to the users of a store, and
// to tokens. Every login is logged; nil for no log.
func newLabServer(store verifier.SecretSource, tokens verifier.TokenVerifier, rows []*mech.Mechanism, realms realm.Policy, config *tls.Config, logger *slog.Logger) (*labServer, error) {
	s := &labServer{realm: realms, auth: &saslkit.Authenticator{
		Secrets:     store,
		Tokens:      tokens,
		Mechanisms:  mechanismNames(rows),
		Policy:      mech.Policy{Clear: mech.AnyMechanism, TLS: mech.AnyMechanism},
		AllowNTLMv1: true,
		Logger:      logger,
	}}
	if err := s.auth.Validate(); err != nil {
		return nil, err
	}
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.newSession))
	s.smtp.Domain = "localhost"
	s.smtp.TLSConfig = config
	s.smtp.AllowInsecureAuth = true
	s.smtp.MaxLineLength = labLine
	s.smtp.MaxMessageBytes = 64 << 20
	s.smtp.MaxRecipients = 1000
	s.smtp.EnableSMTPUTF8 = true
	s.smtp.ReadTimeout = labTimeout
	s.smtp.WriteTimeout = labTimeout
	s.smtp.ErrorLog = log.New(io.Discard, "", 0) // clients that break off a handshake
	return s, nil
}

func mechanismNames(rows []*mech.Mechanism) []string {
	names := make([]string, 0, len(rows))
	for _, m := range rows {
		names = append(names, m.Name)
	}
	return names
}

// serve accepts connections until the context ends, and returns when the last
// one is closed.
func (s *labServer) serve(ctx context.Context, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.smtp.Serve(&labListener{Listener: l, ctx: ctx}) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Before anything is waited for: a connection that is accepted while Shutdown waits
	// makes go-smtp's WaitGroup panic.
	l.Close()
	if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	// Not Close, which would log sessions out while their connections use them:
	// the connections are closed already, and this waits for their goroutines.
	if err := s.smtp.Shutdown(context.WithoutCancel(ctx)); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// A labListener closes the connections it accepted when the context ends.
type labListener struct {
	net.Listener
	ctx context.Context
}

func (l *labListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &labConn{Conn: conn, forget: context.AfterFunc(l.ctx, func() { conn.Close() })}, nil
}

type labConn struct {
	net.Conn
	forget func() bool
}

func (c *labConn) Close() error {
	c.forget()
	return c.Conn.Close()
}

// A labSession is what a mail server needs to write to have logins.
type labSession struct{ *saslkit.Peer }

func (s *labServer) newSession(conn *smtp.Conn) (smtp.Session, error) {
	return &labSession{s.auth.NewPeer(saslkit.PeerConfig{
		Service:  "smtp",
		Realm:    s.realm,
		Channel:  func() saslkit.Channel { return s.channel(conn) },
		MapError: smtpError,
	})}, nil
}

// channel is asked at each AUTH and EHLO, since STARTTLS comes in between.
func (s *labServer) channel(conn *smtp.Conn) saslkit.Channel {
	ch := saslkit.Channel{}
	if state, ok := conn.TLSConnectionState(); ok {
		ch = saslkit.ServerTLS(state, s.smtp.TLSConfig.Certificates[0].Leaf)
		if len(state.VerifiedChains) > 0 {
			ch.External = state.VerifiedChains[0][0].Subject.CommonName
		}
	}
	if remote, ok := conn.Conn().RemoteAddr().(*net.TCPAddr); ok {
		ch.Remote = remote.AddrPort()
	}
	if local, ok := conn.Conn().LocalAddr().(*net.TCPAddr); ok {
		ch.Local = local.AddrPort()
	}
	return ch
}

// smtpError is what go-smtp must get: any other error goes out as 454 with our
// text.
func smtpError(e *saslkit.Error) error {
	code, enhanced, text := e.SMTP()
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode(enhanced), Message: text}
}

var errLoginFirst = &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}

func (s *labSession) Mail(string, *smtp.MailOptions) error {
	if _, ok := s.Result(); !ok {
		return errLoginFirst
	}
	return nil
}

func (s *labSession) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s *labSession) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (s *labSession) Reset() {}

func (s *labSession) Logout() error { return s.Close() }
