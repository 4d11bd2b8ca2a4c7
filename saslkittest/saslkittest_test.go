package saslkittest

import (
	"errors"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

func TestLogin(t *testing.T) {
	auth := &saslkit.Authenticator{
		Verifier:   verifier.Static{"alice@example.com": "pencil"},
		Mechanisms: []string{"DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"},
	}
	secure := saslkit.Channel{Secure: true}
	for _, mechanism := range auth.Mechanisms {
		c := Client{
			Mechanism: mechanism, Channel: secure, Service: "imap", Host: "mail.example.com",
			HostNames: []string{"mail.example.com"}, Realm: realm.Policy{Default: "example.com"},
			Credentials: saslkit.Credentials{Username: "alice", Password: "pencil"},
		}
		r, err := c.Login(auth)
		if err != nil || r.Name() != "alice@example.com" || r.Mechanism != mechanism {
			t.Errorf("%s: %+v, %v", mechanism, r, err)
		}
		c.Credentials.Password = "eraser"
		wantClass(t, c, auth, mech.BadCredentials)
	}
	wrongHost := Client{
		Mechanism: "DIGEST-MD5", Channel: secure, Host: "elsewhere", HostNames: []string{"mail.example.com"},
		Credentials: saslkit.Credentials{Username: "alice", Password: "pencil"}, Realm: realm.Policy{Default: "example.com"},
	}
	wantClass(t, wrongHost, auth, mech.BadCredentials)
	wantClass(t, Client{Mechanism: "PLAIN"}, auth, mech.EncryptionRequired)
	wantClass(t, Client{Mechanism: "SCRAM", Channel: secure}, auth, mech.MechanismUnavailable)
	// What the client itself refuses to send.
	wantClass(t, Client{Mechanism: "PLAIN", Channel: secure}, auth, mech.MechanismUnavailable)
}

func wantClass(t *testing.T, c Client, auth *saslkit.Authenticator, want mech.Class) {
	t.Helper()
	r, err := c.Login(auth)
	var e *saslkit.Error
	if !errors.As(err, &e) || e.Class != want {
		t.Errorf("%s: %+v, %v; want %v", c.Mechanism, r, err, want)
	}
}
