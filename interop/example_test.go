package interop_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"strings"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/interop"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// A go-smtp server without TLS, which is why it names CRAM-MD5, and a client
// that takes what is offered.
func ExampleSMTPBackend() {
	auth := &saslkit.Authenticator{
		Verifier:   verifier.Static{"alice": "secret"},
		Mechanisms: []string{"CRAM-MD5", "PLAIN"},
		Observer:   func(e saslkit.Event) { fmt.Println("server:", e.User, "by", e.Mechanism) },
	}
	if err := auth.Validate(); err != nil {
		log.Fatal(err)
	}
	server := smtp.NewServer(&interop.SMTPBackend{Auth: auth})
	server.AllowInsecureAuth = true // the policy decides
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(ln)
	defer server.Shutdown(context.Background())

	c, err := smtp.Dial(ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, offered := c.Extension("AUTH")
	fmt.Println("offered:", offered)
	login, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "alice", Password: "secret"},
		Offered:     strings.Fields(offered),
		Mechanisms:  []string{"PLAIN", "CRAM-MD5"}, // PLAIN is only for TLS
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Auth(login); err != nil {
		log.Fatal(err)
	}
	if err := login.Finish(); err != nil { // did the server prove itself, if it can?
		log.Fatal(err)
	}
	fmt.Println("client: logged in by", login.Mechanism())
	// Output:
	// offered: CRAM-MD5
	// server: alice by CRAM-MD5
	// client: logged in by CRAM-MD5
}

// A go-imap server in a laboratory: its policy permits passwords in the clear.
func ExampleIMAPBackend() {
	backend := &interop.IMAPBackend{
		Auth: &saslkit.Authenticator{
			Verifier: verifier.Static{"alice": "secret"},
			Policy:   mech.Policy{Clear: mech.AnyMechanism},
		},
		Mailboxes: imapmemserver.NewUser("", ""),
	}
	server := imapserver.New(&imapserver.Options{NewSession: backend.NewSession, InsecureAuth: true})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(ln)
	defer server.Close()

	c, err := imapclient.DialInsecure(ln.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(c.Login("alice", "wrong").Wait())
	fmt.Println(c.Login("alice", "secret").Wait())
	// Output:
	// imap: NO [AUTHENTICATIONFAILED] Authentication failed
	// <nil>
}
