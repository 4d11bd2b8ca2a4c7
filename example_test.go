package saslkit_test

import (
	"fmt"
	"log"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
)

// A server's configuration, and what it offers before and after STARTTLS.
func Example() {
	auth := &saslkit.Authenticator{
		Verifier:   verifier.Static{"alice@example.com": "pencil"}, // or sasldb.Open("/etc/sasldb2")
		Mechanisms: []string{"DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"},
	}
	if err := auth.Validate(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("in the clear:", auth.Advertised(saslkit.Channel{}))
	fmt.Println("under TLS:   ", auth.Advertised(saslkit.Channel{Secure: true}))
	// Output:
	// in the clear: [DIGEST-MD5 CRAM-MD5]
	// under TLS:    [DIGEST-MD5 CRAM-MD5 PLAIN LOGIN]
}

// A connection: the peer is asked for an exchange, and says who logged in.
func ExampleAuthenticator_NewPeer() {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice@example.com": "pencil"}}
	peer := auth.NewPeer(saslkit.PeerConfig{
		Service: "smtp",
		Realm:   realm.Policy{Default: "example.com"},
		Channel: func() saslkit.Channel { return saslkit.Channel{Secure: true} },
	})
	defer peer.Close()
	server, err := peer.Auth("PLAIN")
	if err != nil {
		log.Fatal(err)
	}
	_, done, err := server.Next([]byte("\x00alice\x00pencil"))
	result, _ := peer.Result()
	fmt.Println(done, err, result.Name(), result.Mechanism)
	// Output: true <nil> alice@example.com PLAIN
}

// A contradiction in the configuration is an error at start and not a login that
// can never succeed.
func ExampleAuthenticator_Validate() {
	onlyChecks := struct{ verifier.Verifier }{verifier.Static{"alice": "pencil"}} // as PAM or saslauthd would
	auth := &saslkit.Authenticator{Verifier: onlyChecks, Mechanisms: []string{"PLAIN", "DIGEST-MD5"}}
	fmt.Println(auth.Validate())
	// Output: saslkit: mech_list names DIGEST-MD5, but struct { verifier.Verifier } can only check passwords and no store holds secrets
}

// A client that insists on a proof of the server.
func ExampleNewClient() {
	client, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "alice", Password: "pencil"},
		Offered:     []string{"PLAIN", "DIGEST-MD5"},
		Mechanisms:  []string{"DIGEST-MD5", "PLAIN"},
		Policy:      mech.Policy{TLS: mech.MutualAuth},
		Channel:     saslkit.Channel{Secure: true},
		Service:     "smtp",
		Host:        "mail.example.com",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Mechanism())
	// … hand it to go-smtp's Client.Auth; then:
	fmt.Println(client.Finish())
	// Output:
	// DIGEST-MD5
	// sasl: the server did not prove its identity
}

// The whole exchange in a test of one's own configuration.
func Example_test() {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}}
	_, err := saslkittest.Login(auth, saslkit.Channel{}, "PLAIN", "alice", "pencil")
	fmt.Println(err)
	result, err := saslkittest.Login(auth, saslkit.Channel{Secure: true}, "PLAIN", "alice", "pencil")
	fmt.Println(result.User, err)
	// Output:
	// sasl: encryption required for the requested mechanism
	// alice <nil>
}
