package interop

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// tokenDovecot runs a private Dovecot whose users are those of an authorization server.
func tokenDovecot(t testing.TB, s *authorizationServer) *lab {
	t.Helper()
	dir := dovecotDir(t)
	l := &lab{tls: labTLS(t), addr: net.JoinHostPort("127.0.0.1", freePort(t))}
	dovecotFiles(t, dir, l, nil)
	settings := filepath.Join(dir, "oauth2")
	writeFile(t, settings, fmt.Appendf(nil, "introspection_mode = post\nintrospection_url = %s/introspect\nusername_attribute = username\n"+
		"username_format = %%u\nactive_attribute = active\nactive_value = true\nscope = mail\n"+
		"openid_configuration_url = https://id.example/.well-known/openid-configuration\n", s.URL))
	if err := os.Chmod(settings, 0o644); err != nil { // the auth process is not root
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, conf, []byte(strings.NewReplacer(
		"auth_mechanisms = plain scram-sha-1 scram-sha-256", "auth_mechanisms = oauthbearer xoauth2",
		"driver = passwd-file", "driver = oauth2",
		"args = "+dir+"/users", "args = "+settings,
	).Replace(string(text))))
	startDovecot(t, dir)
	if err := greeted(l.addr, "* OK "); err != nil {
		t.Fatal(err)
	}
	return l
}

// tokenOnIMAP logs our client in, line by line. It returns what Finish says then, whatever
// the server said.
func tokenOnIMAP(t *testing.T, l *lab, mechanism, user, token string) (reply string, finish error) {
	t.Helper()
	d, capabilities := imapDialog(t, l, startTLS)
	defer d.conn.Close()
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: user, Token: mech.FixedToken(token)},
		Offered:     mechanismsIn(capabilities), Mechanisms: []string{mechanism},
		Channel: d.channel(), Service: "imap", Host: "localhost", Port: 143,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, initial, err := x.Start()
	if err != nil {
		t.Fatal(err)
	}
	d.say("a AUTHENTICATE " + mechanism + " " + b64(string(initial)))
	for {
		line := d.reply()[0]
		encoded, more := strings.CutPrefix(line, "+")
		if !more {
			return line, x.Finish()
		}
		challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil {
			t.Fatalf("the server said %q", line)
		}
		response, err := x.Next(challenge)
		if err != nil {
			t.Fatalf("%v after %q", err, challenge)
		}
		d.say(b64(string(response)))
	}
}

// Our client logs in to Dovecot, which asks the same kind of server about tokens. What
// Dovecot says of a bad one reaches the caller; so it is for a token that is another
// user's, where our server says that this is not permitted.
func TestTokenOnDovecot(t *testing.T) {
	t.Parallel()
	s := startAuthorizationServer(t)
	l := tokenDovecot(t, s)
	self := labUser + "@" + labRealm
	for _, mechanism := range tokenMechanisms {
		for _, c := range []struct {
			name, user, token string
			status            string // "": logged in
		}{
			{"good", self, labToken, ""},
			{"bad", self, "bad", map[string]string{"OAUTHBEARER": "invalid_token", "XOAUTH2": "401"}[mechanism]},
			{"somebody else's", "bob@" + labRealm, labToken, map[string]string{"OAUTHBEARER": "invalid_token", "XOAUTH2": "401"}[mechanism]},
		} {
			reply, finish := tokenOnIMAP(t, l, mechanism, c.user, c.token)
			if c.status == "" {
				if !strings.HasPrefix(reply, "a OK") || finish != nil {
					t.Errorf("%s, %s: %q, %v", mechanism, c.name, reply, finish)
				}
				continue
			}
			var told *verifier.TokenError
			if !strings.HasPrefix(reply, "a NO") || !errors.As(finish, &told) || told.Status != c.status || !strings.HasPrefix(told.Configuration, "https://id.example") {
				t.Errorf("%s, %s: %q, %v, %+v; want the status %q", mechanism, c.name, reply, finish, told, c.status)
			}
		}
	}
	if s.asked.Load() == 0 {
		t.Error("nobody asked about a token")
	}
}
