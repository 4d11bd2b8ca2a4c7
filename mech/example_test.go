package mech_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// What a client of each protocol is told, and what it is not: who does not exist looks
// like who mistyped his password.
func ExampleError_SMTP() {
	for _, cause := range []error{
		verifier.ErrNoUser, verifier.ErrWrongPassword, verifier.ErrDisabled, verifier.ErrThrottled, verifier.ErrUnavailable,
	} {
		e := mech.AsError(cause)
		code, enhanced, text := e.SMTP()
		_, imap, _ := e.IMAP()
		pop3, _ := e.POP3()
		fmt.Printf("%d %d.%d.%d %s; NO [%s]; -ERR [%s]\n", code, enhanced[0], enhanced[1], enhanced[2], text, imap, pop3)
	}
	// Output:
	// 535 5.7.8 Authentication failed; NO [AUTHENTICATIONFAILED]; -ERR [AUTH]
	// 535 5.7.8 Authentication failed; NO [AUTHENTICATIONFAILED]; -ERR [AUTH]
	// 535 5.7.8 Account is disabled; NO [CONTACTADMIN]; -ERR [AUTH]
	// 454 4.7.0 Temporary authentication failure; NO [UNAVAILABLE]; -ERR [SYS/TEMP]
	// 454 4.7.0 Temporary authentication failure; NO [UNAVAILABLE]; -ERR [SYS/TEMP]
}

// The log has the cause; the text that may reach the peer has not.
func ExampleError_Detail() {
	err := mech.AsError(fmt.Errorf("sasldb: user %q: %w", "alice", verifier.ErrWrongPassword))
	fmt.Println("peer:", err)
	fmt.Println("log: ", err.Detail())
	// Output:
	// peer: sasl: authentication failed
	// log:  bad-credentials: sasldb: user "alice": verifier: wrong password
}

// A new password: all that the user had is replaced, so that the old one opens nothing.
func ExampleSecrets() {
	users := verifiertest.NewMemory(verifiertest.User{Name: "alice", Password: "crayon"}) // sasldb.Open, in a program
	alice := verifier.Request{User: "alice"}
	err := users.Update(context.Background(), alice, func(e verifier.Entry) (_ verifier.Entry, err error) {
		e.Exists = true
		e.Secrets, err = mech.Secrets(alice.User, alice.Realm, "pencil", mech.SCRAMKinds()...)
		return e, err
	})
	if err != nil {
		log.Fatal(err)
	}

	auth := &saslkit.Authenticator{Verifier: users, Mechanisms: []string{"SCRAM-SHA-256", "SCRAM-SHA-1"}}
	for _, mechanism := range auth.Mechanisms {
		_, err := saslkittest.Login(auth, saslkit.Channel{}, mechanism, "alice", "pencil")
		fmt.Println(mechanism, err)
	}
	_, err = saslkittest.Login(auth, saslkit.Channel{}, "SCRAM-SHA-256", "alice", "crayon")
	fmt.Println("the old password:", err)
	// Output:
	// SCRAM-SHA-256 <nil>
	// SCRAM-SHA-1 <nil>
	// the old password: sasl: authentication failed: verifier: wrong password
}

// The keys of RFC 7677 section 3, as PostgreSQL and Cyrus SASL write them.
func ExampleSCRAMSecret() {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==") // random, for a user
	if err != nil {
		log.Fatal(err)
	}
	keys, err := mech.SCRAMSecret(verifier.KindSCRAMSHA256, "pencil", salt, mech.MinIterations)
	if err != nil {
		log.Fatal(err)
	}
	text, err := verifier.FormatSCRAM(verifier.Secret{Kind: verifier.KindSCRAMSHA256, Value: keys}, verifier.SCRAMRecord)
	fmt.Println(text, err)
	// Output: SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU= <nil>
}

// A series of one-time passwords: each login uses one up, which the store must be able to
// keep. The client computes them from the phrase, as a calculator would.
func ExampleOTPSecret() {
	users := verifiertest.NewMemory()
	users.Add(verifiertest.User{Name: "alice"}, verifier.Secret{Kind: verifier.KindOTP, Value: mech.OTPSecret("correct horse battery")})
	auth := &saslkit.Authenticator{Verifier: users, Mechanisms: []string{"OTP"}}
	for range 2 {
		result, err := saslkittest.Login(auth, saslkit.Channel{}, "OTP", "alice", "correct horse battery")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.User, "has", result.OTPLeft, "left")
	}
	// Output:
	// alice has 497 left
	// alice has 496 left
}

// Postfix's words for what a mechanism must be.
func ExampleParseProperties() {
	clear, err := mech.ParseProperties("noanonymous, noplaintext")
	if err != nil {
		log.Fatal(err)
	}
	site := mech.Policy{Clear: clear, TLS: mech.NoAnonymous}
	fmt.Println("lacks in the clear:", site.Missing(mech.PLAIN, false))
	fmt.Println("permitted under TLS:", site.Missing(mech.PLAIN, true) == 0)
	// Output:
	// lacks in the clear: noplaintext
	// permitted under TLS: true
}

// The facts of each row, from which servers and clients decide.
func ExampleAll() {
	for _, m := range mech.All() {
		if m.Need == mech.NeedSecret && !m.OnlyIfNamed && !m.Binds {
			fmt.Printf("%s needs %v and gives %v\n", m.Name, m.Need, m.Provides)
		}
	}
	// Output:
	// SCRAM-SHA-512 needs a stored secret and gives noplaintext, noactive, noanonymous, mutual_auth
	// SCRAM-SHA-384 needs a stored secret and gives noplaintext, noactive, noanonymous, mutual_auth
	// SCRAM-SHA-256 needs a stored secret and gives noplaintext, noactive, noanonymous, mutual_auth
	// SCRAM-SHA-224 needs a stored secret and gives noplaintext, noactive, noanonymous, mutual_auth
	// SCRAM-SHA-1 needs a stored secret and gives noplaintext, noactive, noanonymous, mutual_auth
}

// Under this profile Alice is alice, in the stores too: who makes an account prepares its
// name in the same way.
func ExampleNameProfile_Prepare() {
	for _, p := range []mech.NameProfile{mech.SASLprep, mech.UsernameCaseMapped} {
		name, err := p.Prepare("Alice")
		fmt.Println(p, name, err)
	}
	// Output:
	// SASLprep Alice <nil>
	// UsernameCaseMapped alice <nil>
}

// A digest of POP3's APOP for the greeting of RFC 1939 section 7.
func ExampleAPOPCommand() {
	command, err := mech.APOPCommand("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>",
		mech.Credentials{Username: "mrose", Password: "tanstaaf"})
	fmt.Println(command, err)
	// Output: APOP mrose c4c9334bac560ecc979e58001b3e22fb <nil>
}

// A host of its own kind drives the two sides of a mechanism by their steps.
func ExampleMechanism_NewClient() {
	client := mech.PLAIN.NewClient(&mech.ClientConfig{
		Credentials: mech.Credentials{Username: "alice", Password: "pencil"},
	})
	initial, err := client.Start()
	fmt.Printf("%q %v\n", bytes.Split(initial, []byte{0}), err)
	// Output: ["" "alice" "pencil"] <nil>
}
