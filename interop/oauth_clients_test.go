package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier/oauth"
)

// labToken is a token of labUser. It has all characters that are special to somebody.
const labToken = "ya29.A0-_~+/good=="

// tokenMechanisms are those with bearer tokens.
var tokenMechanisms = []string{"OAUTHBEARER", "XOAUTH2"}

// An authorizationServer says of labToken that it is labUser's, and of others that they
// are none (RFC 7662). It lets a client of a name ask, with a secret.
type authorizationServer struct {
	*httptest.Server
	asked atomic.Int64
}

func startAuthorizationServer(t testing.TB) *authorizationServer {
	t.Helper()
	s := new(authorizationServer)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if r.PostFormValue("token") == labToken {
			fmt.Fprintf(w, `{"active":true,"scope":"openid mail","username":%q}`, labUser+"@"+labRealm)
			return
		}
		fmt.Fprint(w, `{"active":false}`)
	}))
	t.Cleanup(s.Close)
	return s
}

// tokenSetup serves whom an authorization server knows, by this mechanism.
func tokenSetup(t testing.TB, mechanism string) setup {
	t.Helper()
	v, err := oauth.NewIntrospection(oauth.IntrospectionOptions{
		URL:    startAuthorizationServer(t).URL + "/introspect",
		Checks: oauth.Checks{Scopes: []string{"mail"}, Configuration: "https://id.example/.well-known/openid-configuration"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return setup{auth: &saslkit.Authenticator{Tokens: v, Mechanisms: []string{mechanism}, Policy: labPolicy}}
}

// The clients of a Debian system that have tokens, a good one and a bad one, against our
// servers. Neither swaks nor gsasl has. One mechanism is offered at a time: with a token
// curl 7.88 takes OAUTHBEARER, whatever its login options name.
func TestTokenClients(t *testing.T) {
	for _, c := range []struct {
		client  mailClient
		service string
	}{
		{mailClient{"curl", tokenMechanisms, nothingMore, tokenCurl(curlSMTP)}, "smtp"},
		{mailClient{"curl", tokenMechanisms, nothingMore, tokenCurl(curlIMAP)}, "imap"},
		{mailClient{"msmtp", tokenMechanisms, nothingMore, msmtp}, "smtp"},
		{mailClient{"mutt", tokenMechanisms, nothingMore, tokenMutt}, "smtp"},
	} {
		for _, mechanism := range c.client.mechanisms {
			t.Run(c.client.name+"/"+c.service+"/"+mechanism, func(t *testing.T) {
				t.Parallel()
				l := labs[c.service](t, tokenSetup(t, mechanism))
				output, err := c.client.run(t, l, mechanism, labUser, labToken, startTLS)
				s := l.seen(t)
				if err != nil {
					t.Fatalf("%v\nit printed:\n%s\non the wire:\n%s", err, output, s.transcript)
				}
				wantResult(t, s, mechanism, true)

				l = labs[c.service](t, tokenSetup(t, mechanism))
				output, err = c.client.run(t, l, mechanism, labUser, "bad", startTLS)
				s = l.seen(t)
				if err == nil || len(s.results) != 0 || len(s.events) != 1 {
					t.Errorf("bad token: %v, %d logins ended\nit printed:\n%s\non the wire:\n%s", err, len(s.events), output, s.transcript)
				}
			})
		}
	}
}

// tokenCurl is curl with a token in place of the password.
func tokenCurl(curl func(testing.TB, clientRun) *exec.Cmd) func(testing.TB, clientRun) *exec.Cmd {
	return func(t testing.TB, r clientRun) *exec.Cmd {
		token := r.password
		r.password = ""
		cmd := curl(t, r)
		cmd.Args = append(cmd.Args, "--oauth2-bearer", token)
		return cmd
	}
}

// tokenMutt is mutt, which gets its token from a program.
func tokenMutt(t testing.TB, r clientRun) *exec.Cmd {
	rc := filepath.Join(r.dir, "muttrc")
	cmd := mutt(t, r)
	writeFile(t, filepath.Join(r.dir, "token"), []byte(r.password+"\n"))
	settings, err := os.ReadFile(rc)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, rc, fmt.Appendf(settings, "set smtp_oauth_refresh_command=\"cat %s\"\n", filepath.Join(r.dir, "token")))
	return cmd
}

// go-sasl's client logs in, and tells what the server says of a bad token: it breaks off
// then, which is a failed login all the same.
func TestTokenOfGoSASL(t *testing.T) {
	t.Parallel()
	for token, good := range map[string]bool{labToken: true, "bad": false} {
		l := smtpLab(t, tokenSetup(t, "OAUTHBEARER"))
		_, portText, _ := strings.Cut(l.addr, ":")
		port, err := strconv.Atoi(portText)
		if err != nil {
			t.Fatal(err)
		}
		c := dialSMTP(t, l, startTLS, "OAUTHBEARER")
		err = c.Auth(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: labUser, Token: token, Host: "localhost", Port: port}))
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "invalid_token") {
			t.Errorf("token %q: %v", token, err)
		}
		c.Close()
		s := l.seen(t)
		if good {
			wantResult(t, s, "OAUTHBEARER", true)
		} else if len(s.results) != 0 || len(s.events) != 1 {
			t.Errorf("token %q: %+v", token, s.events)
		}
	}
}
