package interop_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/interop"
	"github.com/saslkit/saslkit/verifier"
)

// go-smtp's client believes a server that says yes at any time; Login does not.
func Example_goSMTPClient() {
	c, done := dialExample()
	defer done()

	_, offered := c.Extension("AUTH") // after STARTTLS
	cfg := saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "alice", Password: "secret"},
		Offered:     saslkit.OfferedSMTP([]string{"AUTH " + offered}),
		Service:     "smtp",
		Host:        "localhost",
	}
	if state, ok := c.TLSConnectionState(); ok {
		cfg.Channel = saslkit.ClientTLS(state)
	}
	login, err := saslkit.Login(cfg, c.Auth)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(login.Mechanism(), login.Assurance().ServerProven)
	// Output: SCRAM-SHA-256 true
}

// dialExample connects to a server of its own, in the clear.
func dialExample() (*smtp.Client, func()) {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "secret"}, Mechanisms: []string{"SCRAM-SHA-256", "PLAIN"}}
	server := smtp.NewServer(&interop.SMTPBackend{Auth: auth})
	server.AllowInsecureAuth = true // the policy decides
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(ln)
	c, err := smtp.Dial(ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	return c, func() {
		c.Close()
		server.Shutdown(context.Background())
	}
}
