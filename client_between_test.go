package saslkit_test

import (
	"bufio"
	cryptotls "crypto/tls"
	"errors"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"regexp"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// between connects to a small server through somebody who ends TLS, with a
// certificate that is believed, and passes everything on. He edits what the server
// says.
func between(t *testing.T, s smallSMTP, edit func(line string) string) (*smtp.Client, saslkit.Channel) {
	t.Helper()
	upstream := serveSMTP(t, func(conn net.Conn, _ *bufio.Reader) {
		server := cryptotls.Server(conn, &cryptotls.Config{Certificates: []cryptotls.Certificate{certificate}})
		s.talk(server, bufio.NewReader(server))
	})
	downstream := serveSMTP(t, func(conn net.Conn, _ *bufio.Reader) {
		client := cryptotls.Server(conn, &cryptotls.Config{Certificates: []cryptotls.Certificate{certificate}})
		server := cryptotls.Client(upstream, trusting)
		defer upstream.Close()
		go func() {
			io.Copy(server, client)
			upstream.Close()
		}()
		for lines := bufio.NewScanner(server); lines.Scan(); {
			io.WriteString(client, edit(lines.Text())+"\r\n")
		}
	})
	return dialTLS(t, downstream)
}

// What somebody in between can do, and what he cannot.
func TestSomebodyBetween(t *testing.T) {
	t.Parallel()
	names := []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"}
	auth := &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: names}
	keep := func(line string) string { return line }
	without := func(pattern string) func(string) string {
		offer := regexp.MustCompile(pattern)
		return func(line string) string { return offer.ReplaceAllString(line, "") }
	}
	for _, c := range []struct {
		name    string
		edit    func(string) string
		binding saslkit.ChannelBinding
		policy  mech.Policy
		refused bool       // by the server
		class   mech.Class // of our own error
	}{
		{name: "he passes on what is bound to him", edit: keep, refused: true},
		{name: "he hides that the server binds", edit: without(` SCRAM-\S+-PLUS`), refused: true},
		{name: "he hides SCRAM, and gets the password", edit: without(` SCRAM-\S+`)},
		{name: "he hides SCRAM, but the policy wants a proof", edit: without(` SCRAM-\S+`), policy: mech.Policy{TLS: mech.MutualAuth}, class: mech.TooWeak},
		{name: "he hides that the server binds, and the policy wants a proof", edit: without(` SCRAM-\S+-PLUS`), policy: mech.Policy{TLS: mech.MutualAuth}, refused: true},
		{name: "he passes on what is not bound", edit: keep, binding: saslkit.BindNever},
		{name: "binding required, he passes it on", edit: keep, binding: saslkit.BindRequired, refused: true},
		{name: "binding required, he hides it", edit: without(` SCRAM-\S+-PLUS`), binding: saslkit.BindRequired, class: mech.TooWeak},
		{name: "binding required, he hides SCRAM", edit: without(` SCRAM-\S+`), binding: saslkit.BindRequired, class: mech.TooWeak},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, channel := between(t, smallSMTP{auth, true}, c.edit)
			err := client.Auth(saslkit.SMTPAuth(saslkit.ClientConfig{
				Credentials: saslkit.Credentials{Username: "al", Password: password("al")},
				Channel:     channel, ChannelBinding: c.binding, Policy: c.policy,
			}))
			var refusal *textproto.Error
			switch {
			case c.class != 0:
				wantClass(t, err, c.class)
			case c.refused != errors.As(err, &refusal), !c.refused && err != nil:
				t.Errorf("%v", err)
			}
		})
	}
}
