package saslkit

import (
	"encoding/base64"
	"fmt"
	"net/smtp"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/mech"
)

// SMTPAuth makes a login for the standard library's net/smtp. [smtp.Client.Auth] then
// fails too if the server reports success without what [ClientExchange.Finish]
// insists on.
//
// What cfg leaves open comes from the connection: Offered, Host, Service, and
// whether there is TLS. A Host that is not the connection's is refused, as
// [smtp.PlainAuth] does, so that a password goes to no other server. The binding to
// the channel net/smtp does not tell; for mechanisms that bind set
//
//	state, _ := client.TLSConnectionState()
//	cfg.Channel = saslkit.ClientTLS(state)
//
// net/smtp does not read the old "AUTH=PLAIN": for a server that sends nothing
// else set Offered.
//
// The value may be used for one login after another, but not for two at a time:
// net/smtp does not say to which of them an answer belongs. Make one for each
// connection.
func SMTPAuth(cfg ClientConfig) smtp.Auth { return &smtpAuth{config: cfg} }

type smtpAuth struct {
	secret.Opaque
	config   ClientConfig
	exchange *ClientExchange // under way
	unsent   []byte          // the initial response, if it waits to be asked for; nil for none
}

// maxAuthCommand is what an SMTP server must take as a command, in bytes with
// CRLF (RFC 5321 section 4.5.3.1.4). A longer initial response must not go with
// it (RFC 4954 section 4).
const maxAuthCommand = 512

// Start implements smtp.Auth. An initial response that is empty waits too, since
// net/smtp cannot send it: it writes no "=".
func (a *smtpAuth) Start(server *smtp.ServerInfo) (mechanism string, initial []byte, err error) {
	a.exchange, a.unsent = nil, nil
	cfg, err := a.config.to(server)
	if err != nil {
		return "", nil, err
	}
	x, err := NewClient(cfg)
	if err != nil {
		return "", nil, err
	}
	if mechanism, initial, err = x.Start(); err != nil {
		return "", nil, err
	}
	a.exchange = x
	length := len("AUTH ") + len(mechanism) + len(" ") + base64.StdEncoding.EncodedLen(len(initial)) + len("\r\n")
	if len(initial) == 0 || length > maxAuthCommand {
		initial, a.unsent = nil, initial
		if x.row.ServerFirst {
			a.unsent = nil // it answers an earlier challenge, and the one to come is another
		}
	}
	return mechanism, initial, nil
}

// to completes a configuration with what net/smtp knows of the server.
func (c ClientConfig) to(server *smtp.ServerInfo) (ClientConfig, error) {
	if c.Offered == nil {
		c.Offered = append([]string{}, server.Auth...) // not nil: it is known to be none
	}
	if c.Service == "" {
		c.Service = "smtp"
	}
	if c.Host == "" {
		c.Host = server.Name
	}
	if !strings.EqualFold(c.Host, server.Name) {
		return c, told(&Error{Class: mech.ServerNotVerified, Code: "wrong-host", Err: fmt.Errorf("saslkit: the login is for %q and the connection to %q", c.Host, server.Name)})
	}
	c.Channel.Secure = c.Channel.Secure || server.TLS
	c.Layers.Max = 0 // net/smtp has no place to put one on
	return c, nil
}

// Next implements smtp.Auth. With more it never returns nil without an error,
// which net/smtp would take for the end of a good login.
func (a *smtpAuth) Next(fromServer []byte, more bool) ([]byte, error) {
	x, unsent := a.exchange, a.unsent
	a.unsent = nil
	switch {
	case x == nil:
		return nil, told(&Error{Class: mech.Malformed, Code: "protocol", Err: ErrExchangeOver})
	case more && unsent != nil:
		return unsent, nil // whatever stands in the challenge, which only asks for it
	case more:
		return x.Next(fromServer)
	}
	a.exchange = nil
	if unsent != nil {
		return nil, told(tooEarly())
	}
	return nil, x.Finish()
}
