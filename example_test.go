package saslkit_test

import (
	"encoding/base64"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
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

// A smtpSession is what go-smtp calls a session: with the peer in it, it has the methods
// AuthMechanisms and Auth that go-smtp looks for.
type smtpSession struct {
	*saslkit.Peer
	// … Mail, Rcpt, Data
}

// auth does what go-smtp does with them, for one AUTH command and the client's lines.
func (s smtpSession) auth(mechanism string, lines ...string) {
	server, err := s.Auth(mechanism)
	for i := 0; err == nil; i++ {
		var response, challenge []byte
		if i > 0 {
			fmt.Println("C:", lines[i-1])
			if response, err = base64.StdEncoding.DecodeString(lines[i-1]); err != nil {
				break
			}
		}
		var done bool
		if challenge, done, err = server.Next(response); err == nil && done {
			result, _ := s.Result()
			fmt.Println("S: 235 2.7.0 Welcome,", result.Name())
			return
		}
		if err == nil {
			fmt.Println("S: 334", base64.StdEncoding.EncodeToString(challenge))
		}
	}
	fmt.Println("S:", err)
}

// A connection of an SMTP server: the peer is asked for exchanges, says who logged in, and
// makes errors that the host understands.
func ExampleAuthenticator_NewPeer() {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice@example.com": "pencil"}}
	s := smtpSession{auth.NewPeer(saslkit.PeerConfig{
		Service: "smtp",
		Realm:   realm.Policy{Default: "example.com"},
		Channel: func() saslkit.Channel {
			return saslkit.Channel{Secure: true} // saslkit.ServerConn(conn, certificate)
		},
		MapError: func(e *saslkit.Error) error { // a *smtp.SMTPError, in go-smtp
			code, enhanced, text := e.SMTP()
			return fmt.Errorf("%d %d.%d.%d %s", code, enhanced[0], enhanced[1], enhanced[2], text)
		},
	})}
	defer s.Close()

	s.auth("LOGIN", "YWxpY2U=", "Y3JheW9u")
	s.auth("CRAM-MD5") // which the site does not name
	s.auth("LOGIN", "YWxpY2U=", "cGVuY2ls")
	// Output:
	// S: 334 VXNlcm5hbWU6
	// C: YWxpY2U=
	// S: 334 UGFzc3dvcmQ6
	// C: Y3JheW9u
	// S: 535 5.7.8 Authentication failed
	// S: 504 5.5.4 Mechanism is not available
	// S: 334 VXNlcm5hbWU6
	// C: YWxpY2U=
	// S: 334 UGFzc3dvcmQ6
	// C: cGVuY2ls
	// S: 235 2.7.0 Welcome, alice@example.com
}

// A protocol that can carry data with success, as LDAP and XMPP do, takes steps: SCRAM's
// proof of the server comes with Done.
func ExamplePeer_Start() {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}}
	peer := auth.NewPeer(saslkit.PeerConfig{Service: "ldap"})
	defer peer.Close()
	client, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "alice", Password: "pencil"},
		Mechanisms:  []string{"SCRAM-SHA-256"},
		Service:     "ldap", Host: "ldap.example.com",
	})
	if err != nil {
		log.Fatal(err)
	}

	mechanism, response, err := client.Start()
	if err != nil {
		log.Fatal(err)
	}
	exchange, err := peer.Start(mechanism)
	if err != nil {
		log.Fatal(err)
	}
	outcome := exchange.Step(response)
	for outcome.State == saslkit.More {
		if response, err = client.Next(outcome.Data); err != nil {
			log.Fatal(err)
		}
		outcome = exchange.Step(response)
	}
	fmt.Println(outcome.State == saslkit.Done, len(outcome.Data) > 0)
	if _, err := client.Next(outcome.Data); err != nil { // the proof, which came with success
		log.Fatal(err)
	}
	fmt.Println(client.Finish())
	// Output:
	// true true
	// <nil>
}

// A contradiction in the configuration is an error at start and not a login that
// can never succeed.
func ExampleAuthenticator_Validate() {
	onlyChecks := struct{ verifier.Verifier }{verifier.Static{"alice": "pencil"}} // as PAM or saslauthd would
	auth := &saslkit.Authenticator{Verifier: onlyChecks, Mechanisms: []string{"PLAIN", "DIGEST-MD5"}}
	fmt.Println(auth.Validate())
	// Output: saslkit: mech_list names DIGEST-MD5, but struct { verifier.Verifier } can only check passwords and no store holds secrets
}

// What a policy does, and why: nothing that a listener can use, and with TLS nothing but a
// mechanism that proves the server.
func ExampleAuthenticator_Decisions() {
	auth := &saslkit.Authenticator{
		Verifier:   verifier.Static{"alice": "pencil"},
		Mechanisms: []string{"SCRAM-SHA-256", "CRAM-MD5", "PLAIN"},
		Policy: mech.Policy{
			Clear: mech.NoAnonymous | mech.NoPlaintext,
			TLS:   mech.NoAnonymous | mech.MutualAuth,
		},
	}
	for _, channel := range []saslkit.Channel{{}, {Secure: true}} {
		fmt.Println("TLS:", channel.Secure)
		for _, d := range auth.Decisions(channel)[:4] { // the others are not named
			fmt.Printf("  %s: %t, %s\n", d.Mechanism, d.Offered, d.Reason)
		}
	}
	// Output:
	// TLS: false
	//   SCRAM-SHA-256-PLUS: false, the channel has nothing to bind to
	//   SCRAM-SHA-256: true, all users can use it
	//   CRAM-MD5: true, all users can use it
	//   PLAIN: false, the policy in the clear asks for noplaintext
	// TLS: true
	//   SCRAM-SHA-256-PLUS: false, the channel has nothing to bind to
	//   SCRAM-SHA-256: true, all users can use it
	//   CRAM-MD5: false, the policy under TLS asks for mutual_auth
	//   PLAIN: false, the policy under TLS asks for mutual_auth
}

// IMAP's LOGIN and POP3's USER and PASS are commands and no mechanisms. The same policy
// holds: a password is not taken in the clear, and the log has it all the same.
func ExamplePeer_Login() {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}}
	tls := false
	peer := auth.NewPeer(saslkit.PeerConfig{
		Service: "imap",
		Channel: func() saslkit.Channel { return saslkit.Channel{Secure: tls} },
		MapError: func(e *saslkit.Error) error {
			typ, code, text := e.IMAP()
			return fmt.Errorf("%s [%s] %s", typ, code, text)
		},
	})
	defer peer.Close()
	fmt.Println(peer.Login("alice", "pencil"))
	tls = true // after STARTTLS
	fmt.Println(peer.Login("alice", "crayon"))
	fmt.Println(peer.Login("alice", "pencil"))
	// Output:
	// NO [PRIVACYREQUIRED] Encryption required for the requested mechanism
	// NO [AUTHENTICATIONFAILED] Authentication failed
	// <nil>
}

// POP3's APOP, for clients that have nothing better: the greeting has a timestamp if the
// site names APOP.
func ExamplePeer_APOP() {
	auth := &saslkit.Authenticator{
		Verifier:   verifier.Static{"alice": "pencil"},
		Mechanisms: []string{"APOP"},
	}
	peer := auth.NewPeer(saslkit.PeerConfig{Service: "pop3", HostNames: []string{"pop.example.com"}})
	defer peer.Close()
	greeting := "+OK ready " + peer.APOPTimestamp()

	command, err := mech.APOPCommand(greeting, saslkit.Credentials{Username: "alice", Password: "pencil"})
	if err != nil {
		log.Fatal(err)
	}
	var name, digest string
	fmt.Sscanf(command, "APOP %s %s", &name, &digest)
	err = peer.APOP(name, digest)
	result, _ := peer.Result()
	fmt.Println(result.User, result.Mechanism, err)
	// Output: alice APOP <nil>
}

// The key from which SCRAM's salts for unknown users are made. It is kept in a file, so
// that these are the same after a restart, and on all servers of a site: else they would
// tell who exists.
func ExampleKey() {
	folder, err := os.MkdirTemp("", "decoy")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "decoy.key") // head -c 32 /dev/urandom > /etc/saslkit/decoy.key
	if err := os.WriteFile(path, []byte("32 bytes that nobody else knows."), 0o600); err != nil {
		log.Fatal(err)
	}

	key, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	auth := &saslkit.Authenticator{
		Verifier: verifier.Static{"alice": "pencil"},
		DecoyKey: saslkit.Key(key),
	}
	fmt.Println(auth.Validate(), auth.DecoyKey)
	// Output: <nil> REDACTED
}
