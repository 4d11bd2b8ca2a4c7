package saslkittest_test

import (
	"errors"
	"fmt"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
)

// What a test of one's own configuration looks like: who gets in, who does not and why.
func ExampleLogin() {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}}

	_, err := saslkittest.Login(auth, saslkit.Channel{}, "PLAIN", "alice", "pencil")
	fmt.Println("in the clear:", err)

	result, err := saslkittest.Login(auth, saslkit.Channel{Secure: true}, "PLAIN", "alice", "pencil")
	fmt.Println("under TLS:", result.Name(), err)

	_, err = saslkittest.Login(auth, saslkit.Channel{Secure: true}, "SCRAM-SHA-256", "alice", "crayon")
	fmt.Println("wrong password:", err, errors.Is(err, verifier.ErrWrongPassword))
	// Output:
	// in the clear: sasl: encryption required for the requested mechanism: saslkit: PLAIN: the policy in the clear asks for noplaintext: only under TLS
	// under TLS: alice <nil>
	// wrong password: sasl: authentication failed: verifier: wrong password true
}

// A realm that nobody serves, and one that is left away.
func ExampleClient() {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice@example.com": "pencil"}}
	for _, name := range []string{"alice", "alice@example.com", "alice@example.net"} {
		result, err := saslkittest.Client{
			Mechanism:   "SCRAM-SHA-256",
			Credentials: saslkit.Credentials{Username: name, Password: "pencil"},
			Realm:       realm.Policy{Default: "example.com"},
			Service:     "imap",
		}.Login(auth)
		fmt.Printf("%s: %q %v\n", name, result.Name(), err)
	}
	// Output:
	// alice: "alice@example.com" <nil>
	// alice@example.com: "alice@example.com" <nil>
	// alice@example.net: "" sasl: authentication failed: verifier: no such user: realm: realm is not served here
}
