package saslkit_test

import (
	cryptotls "crypto/tls"
	"fmt"
	"log"
	"net/smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// A whole login, with a server in the place of the network: the strongest mechanism that
// both sides can do, and a server that has proven itself.
func ExampleClientExchange() {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}}
	peer := auth.NewPeer(saslkit.PeerConfig{
		Service: "smtp",
		Channel: func() saslkit.Channel { return saslkit.Channel{Secure: true} },
	})
	defer peer.Close()

	client, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "alice", Password: "pencil"},
		Offered:     peer.AuthMechanisms(), // saslkit.OfferedSMTP, with what EHLO returned
		Policy:      mech.Policy{TLS: mech.MutualAuth},
		Channel:     saslkit.Channel{Secure: true}, // saslkit.ClientTLS(conn.ConnectionState())
		Service:     "smtp",
		Host:        "mail.example.com",
	})
	if err != nil {
		log.Fatal(err)
	}
	mechanism, response, err := client.Start()
	if err != nil {
		log.Fatal(err)
	}
	server, err := peer.Auth(mechanism) // AUTH mechanism, on the wire
	if err != nil {
		log.Fatal(err)
	}
	for {
		challenge, done, err := server.Next(response)
		if err != nil {
			log.Fatal(err)
		}
		if done { // 235
			break
		}
		if response, err = client.Next(challenge); err != nil {
			log.Fatal(err)
		}
	}
	if err := client.Finish(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Mechanism(), client.Assurance().ServerProven)
	// Output: SCRAM-SHA-512 true
}

// A server that says 235 at once has proven nothing, whatever the protocol thinks of it.
func ExampleClientExchange_Finish() {
	client, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "alice", Password: "pencil"},
		Offered:     []string{"SCRAM-SHA-256", "PLAIN"},
		Channel:     saslkit.Channel{Secure: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	mechanism, _, err := client.Start()
	fmt.Println(mechanism, err)
	fmt.Println(client.Finish())
	// Output:
	// SCRAM-SHA-256 <nil>
	// sasl: the server did not prove its identity: mech: success was reported and the proof of it did not come
}

// Why a mechanism is used, and why the others are not.
func ExampleClientConfig_Candidates() {
	cfg := saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "alice", Password: "pencil"},
		Offered:     saslkit.OfferedSMTP([]string{"mail.example.com", "SIZE 35882577", "AUTH LOGIN PLAIN XOAUTH2"}),
		Channel:     saslkit.Channel{Secure: true},
	}
	for _, c := range cfg.Candidates() {
		if c.Mechanism == "PLAIN" || c.Mechanism == "LOGIN" || c.Mechanism == "CRAM-MD5" || c.Mechanism == "XOAUTH2" {
			fmt.Printf("%s: %s\n", c.Mechanism, c.Reason)
		}
	}
	// Output:
	// CRAM-MD5: not offered by the server
	// XOAUTH2: needs a token
	// PLAIN: it is chosen
	// LOGIN: it could be used, but PLAIN comes first
}

// A list of one's own takes the place of the order by strength.
func ExampleClientConfig_mechanisms() {
	client, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "alice", Password: "pencil"},
		Offered:     []string{"DIGEST-MD5", "CRAM-MD5", "PLAIN"},
		Mechanisms:  []string{"CRAM-MD5", "DIGEST-MD5"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Mechanism())
	// Output: CRAM-MD5
}

// A setting of Postfix's client, as it stands in main.cf.
func ExampleParseMechanismFilter() {
	filter, err := saslkit.ParseMechanismFilter("!plain, !login, static:rest")
	if err != nil {
		log.Fatal(err)
	}
	_, err = saslkit.NewClient(saslkit.ClientConfig{
		Credentials:     saslkit.Credentials{Username: "alice", Password: "pencil"},
		Offered:         []string{"PLAIN", "LOGIN"},
		Mechanisms:      []string{"PLAIN", "LOGIN"},
		MechanismFilter: filter,
		Channel:         saslkit.Channel{Secure: true},
	})
	fmt.Println(mech.AsError(err).Detail())
	// Output: mechanism-unavailable: saslkit: no usable mechanism (filtered out by "!plain": PLAIN; filtered out by "!login": LOGIN)
}

// A client that does not log in unless the server proves that it knows the
// password and nobody sits in between.
func ExampleClientConfig() {
	channel := saslkit.Channel{Secure: true} // in a program: saslkit.ClientTLS(conn.ConnectionState())
	_, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials:    saslkit.Credentials{Username: "alice", Password: "pencil"},
		Offered:        []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"},
		Mechanisms:     []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"},
		Policy:         mech.Policy{Clear: mech.MutualAuth, TLS: mech.MutualAuth},
		ChannelBinding: saslkit.BindRequired,
		Channel:        channel,
	})
	fmt.Println(mech.AsError(err).Detail())
	// Output: mechanism-unavailable: saslkit: no usable mechanism (the channel has nothing to bind to: SCRAM-SHA-256-PLUS; channel binding is required: SCRAM-SHA-256; the policy asks for mutual_auth: PLAIN)
}

// The standard library's client.
func ExampleSMTPAuth() {
	client, err := smtp.Dial("mail.example.com:587")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := client.StartTLS(config); err != nil {
		log.Fatal(err)
	}
	cfg := saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "alice", Password: "pencil"},
	}
	if state, ok := client.TLSConnectionState(); ok {
		cfg.Channel = saslkit.ClientTLS(state) // for SCRAM-…-PLUS
	}
	if err := client.Auth(saslkit.SMTPAuth(cfg)); err != nil {
		log.Fatal(err)
	}
}

var config = &cryptotls.Config{ServerName: "mail.example.com"}
