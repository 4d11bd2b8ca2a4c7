package interop

import (
	"errors"
	"net"
	netsmtp "net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// The standard library's client, with our adapter, logs in to a go-smtp server by
// every mechanism, under TLS begun with STARTTLS.
func TestSMTPAuthOfStandardLibrary(t *testing.T) {
	for _, mechanism := range allMechanisms {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			l := smtpLab(t, setup{})
			c, cfg := dialStandard(t, l)
			cfg.Mechanisms = []string{mechanism}
			if err := c.Auth(saslkit.SMTPAuth(cfg)); err != nil {
				t.Fatal(err)
			}
			if err := c.Quit(); err != nil {
				t.Error(err)
			}
			wantResult(t, l.seen(t), mechanism, true)
		})
	}
}

// Left to itself it takes a mechanism that binds to the channel, and a wrong
// password is the server's refusal as net/smtp tells it.
func TestSMTPAuthChooses(t *testing.T) {
	l := smtpLab(t, setup{})
	c, cfg := dialStandard(t, l)
	cfg.ChannelBinding = saslkit.BindRequired
	if err := c.Auth(saslkit.SMTPAuth(cfg)); err != nil {
		t.Fatal(err)
	}
	c.Quit()
	s := l.seen(t)
	if len(s.results) != 1 || !strings.HasSuffix(s.results[0].Mechanism, "-PLUS") {
		t.Errorf("logged in: %+v", s.results)
	}

	l = smtpLab(t, setup{})
	c, cfg = dialStandard(t, l)
	cfg.Credentials.Password = "wrong"
	cfg.Channel.External = ""
	var refusal *textproto.Error
	if err := c.Auth(saslkit.SMTPAuth(cfg)); !errors.As(err, &refusal) || refusal.Code != 535 {
		t.Errorf("wrong password: %v", err)
	}
	if s := l.seen(t); len(s.results) != 0 {
		t.Errorf("logged in: %+v", s.results)
	}
}

// dialStandard connects net/smtp, begins TLS with alice's certificate, and tells
// the facts of the connection.
func dialStandard(t *testing.T, l *lab) (*netsmtp.Client, saslkit.ClientConfig) {
	t.Helper()
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c, err := netsmtp.NewClient(conn, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(l.tls.alice); err != nil {
		t.Fatal(err)
	}
	state, _ := c.TLSConnectionState()
	cfg := saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: labPassword},
		Policy:      labPolicy,
		Channel:     saslkit.ClientTLS(state),
	}
	cfg.Channel.External = labUser
	if _, ok := mech.TLSBinding(state, nil)(mech.BindingExporter); !ok {
		t.Fatal("the channel has nothing to bind to")
	}
	return c, cfg
}
