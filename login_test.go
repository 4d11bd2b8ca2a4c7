package saslkit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// host is what go-smtp's and go-imap's clients do between a command and the reply.
func host(auth *saslkit.Authenticator) func(sasl.Client) error {
	return func(client sasl.Client) error {
		peer := auth.NewPeer(saslkit.PeerConfig{Service: "smtp", Channel: func() saslkit.Channel { return tls }})
		defer peer.Close()
		mechanism, response, err := client.Start()
		if err != nil {
			return err
		}
		server, err := peer.Start(mechanism)
		if err != nil {
			return err
		}
		for {
			challenge, done, err := server.Next(response)
			if err != nil || done {
				return err
			}
			if response, err = client.Next(challenge); err != nil {
				return err
			}
		}
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	auth := &saslkit.Authenticator{
		Verifier: verifier.Static{"alice": "pencil"}, Tokens: verifier.StaticTokens{"good": "alice"},
	}
	yes := func(client sasl.Client) error { // and no proof
		_, _, err := client.Start()
		return err
	}
	password := saslkit.Credentials{Username: "alice", Password: "pencil"}
	for _, c := range []struct {
		name        string
		mechanism   string
		credentials saslkit.Credentials
		host        func(sasl.Client) error
		want        string // in the error; "" for a login
		class       mech.Class
	}{
		{"a login", "SCRAM-SHA-256", password, host(auth), "", 0},
		{"another password", "SCRAM-SHA-256", saslkit.Credentials{Username: "alice", Password: "crayon"}, host(auth), "authentication failed", mech.BadCredentials},
		{"a server that skips its proof", "SCRAM-SHA-256", password, yes, "the proof of it did not come", mech.ServerNotVerified},
		{"a token", "OAUTHBEARER", saslkit.Credentials{Token: mech.FixedToken("good")}, host(auth), "", 0},
		{"a bad token, and why", "OAUTHBEARER", saslkit.Credentials{Token: mech.FixedToken("bad")}, host(auth), "the server refused: ", mech.BadCredentials},
		{"no password", "PLAIN", saslkit.Credentials{Username: "alice"}, host(auth), "needs a user name and a password", mech.MechanismUnavailable},
	} {
		x, err := saslkit.Login(saslkit.ClientConfig{
			Credentials: c.credentials, Mechanisms: []string{c.mechanism}, Channel: tls, Service: "smtp", Host: "localhost",
		}, c.host)
		if c.want == "" {
			if err != nil || x.Mechanism() != c.mechanism {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var e *saslkit.Error
		if x != nil || !errors.As(err, &e) || e.Class != c.class || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	var token *verifier.TokenError
	_, err := saslkit.Login(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Token: mech.FixedToken("bad")}, Mechanisms: []string{"OAUTHBEARER"}, Channel: tls,
	}, host(auth))
	if !errors.As(err, &token) || token.Status != verifier.TokenInvalid {
		t.Errorf("%v, in which there is no status", err)
	}
}
