//go:build linux

package interop

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/acting"
)

// pagesSecret is everybody's password, phrase and token on the pages.
const pagesSecret = "opensesame"

// readRules are rules that a page writes after the server has started.
type readRules string

func (path readRules) Authorize(ctx context.Context, a verifier.Account, user, name string) error {
	rules, err := acting.Load(string(path), acting.Options{Realm: realm.Policy{Default: "example.com"}})
	if err != nil {
		return err
	}
	return rules.Authorize(ctx, a, user, name)
}

// TestPagesPeers is no test of its own: it is the servers that commands on the pages want
// to log in to, in the name space of testdata/pages/site.sh, until that ends.
func TestPagesPeers(t *testing.T) {
	if os.Getenv("SASLKIT_PAGES") != "peers" {
		t.Skip("the pages are not being executed")
	}
	db, err := sasldb.Open("/etc/sasldb2")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair("/run/tls/cert.pem", "/run/tls/key.pem")
	if err != nil {
		t.Fatal(err)
	}
	auth := &saslkit.Authenticator{
		Verifier: db, Authorizer: readRules("/etc/saslkit/acting"), Tokens: verifier.StaticTokens{pagesSecret: "alice@example.com"},
		Mechanisms: []string{"SCRAM-SHA-256", "PLAIN", "LOGIN", "OTP", "OAUTHBEARER", "XOAUTH2"},
	}
	peer := saslkit.PeerConfig{Realm: realm.Policy{Default: "example.com"}}
	under := &tls.Config{Certificates: []tls.Certificate{cert}}
	backend := &SMTPBackend{Auth: auth, Peer: peer}
	submission := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		db.VerifyPassword(t.Context(), verifier.Request{User: "nobody"}, "") // so that a page's changes count for what is offered
		return backend.NewSession(c)
	}))
	submission.Domain, submission.AllowInsecureAuth, submission.TLSConfig = "mail.example.com", true, under
	mailboxes := imapserver.New(&imapserver.Options{
		NewSession: (&IMAPBackend{Auth: auth, Peer: peer, Mailboxes: imapmemserver.NewUser("", "")}).NewSession,
		Caps:       imap.CapSet{imap.CapIMAP4rev1: {}}, InsecureAuth: true, TLSConfig: under,
	})
	go submission.Serve(pagesPort(t, "25"))
	go submission.Serve(pagesPort(t, "587"))
	go mailboxes.Serve(pagesPort(t, "143"))
	http.HandleFunc("/oauth2/introspect", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("token") == pagesSecret {
			w.Write([]byte(`{"active":true,"email":"alice@example.com","scope":"mail"}`))
			return
		}
		w.Write([]byte(`{"active":false}`))
	})
	http.HandleFunc("/oauth2/jwks", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"keys":[]}`)) })
	if err := os.WriteFile("/run/peers.ready", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Fatal(http.Serve(tls.NewListener(pagesPort(t, "443"), under), nil))
}

func pagesPort(t *testing.T, port string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
