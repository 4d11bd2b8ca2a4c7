package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// accounts asks a company's account server, whose client returns an HTTP status.
type accounts struct {
	ask func(ctx context.Context, user, password string) (status int, err error)
}

// VerifyPassword turns every answer into a yes, a no, or trouble. What is not known for
// sure is trouble: nobody must be told that his password is wrong because a server
// restarts.
func (a accounts) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	status, err := a.ask(ctx, r.User, password)
	switch {
	case err != nil:
		return verifier.Account{}, fmt.Errorf("accounts: %w: %w", verifier.ErrUnavailable, err)
	case status == 200:
		return verifier.Account{User: r.User, Realm: r.Realm}, nil
	case status == 401: // for unknown users too, as the server promises
		return verifier.Account{}, verifier.ErrWrongPassword
	case status == 423: // only with the right password, as the server promises
		return verifier.Account{}, verifier.ErrDisabled
	}
	return verifier.Account{}, fmt.Errorf("accounts: status %d: %w", status, verifier.ErrUnavailable)
}

// A verifier of one's own, held against the contract as its test does it, and used.
func ExampleVerifier() {
	v := accounts{ask: func(ctx context.Context, user, password string) (int, error) {
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case user == "alice" && password == "pencil":
			return 200, nil
		case user == "bob" && password == "crayon":
			return 423, nil
		}
		return 401, nil
	}}
	fmt.Println("contract:", verifiertest.TestVerifier(v,
		verifiertest.User{Name: "alice", Password: "pencil"},
		verifiertest.User{Name: "bob", Password: "crayon", Disabled: true}))

	auth := &saslkit.Authenticator{Verifier: v}
	fmt.Println("offered under TLS:", auth.Advertised(saslkit.Channel{Secure: true}))
	_, err := saslkittest.Login(auth, saslkit.Channel{Secure: true}, "PLAIN", "alice", "crayon")
	fmt.Println(err)
	// Output:
	// contract: <nil>
	// offered under TLS: [PLAIN LOGIN]
	// sasl: authentication failed: verifier: wrong password
}

// One callback is enough where passwords are kept, and every mechanism works.
func ExamplePasswords() {
	users := verifier.Passwords(func(_ context.Context, r verifier.Request) (string, error) {
		if r.User == "alice" { // ask the program's own database
			return "pencil", nil
		}
		return "", verifier.ErrNoUser
	})
	auth := &saslkit.Authenticator{Verifier: users, Mechanisms: []string{"SCRAM-SHA-256", "CRAM-MD5"}}
	for _, mechanism := range auth.Mechanisms {
		result, err := saslkittest.Login(auth, saslkit.Channel{}, mechanism, "alice", "pencil")
		fmt.Println(mechanism, result.User, err)
	}
	// Output:
	// SCRAM-SHA-256 alice <nil>
	// CRAM-MD5 alice <nil>
}

// Two stores as one. Who is unknown to the first, or has another password there, is asked
// for in the second; a store that is away is no reason to refuse anybody.
func ExampleChain() {
	old := verifier.Static{"alice": "pencil"}
	away := &verifiertest.Faulty{Verifier: verifier.Static{}, Fault: verifiertest.Fault{Err: errors.New("connection refused")}}
	check := func(v verifier.Verifier, user string) {
		_, err := v.VerifyPassword(context.Background(), verifier.Request{User: user}, "pencil")
		fmt.Printf("%s: refused %t, unavailable %t\n", user, verifier.Refused(err), errors.Is(err, verifier.ErrUnavailable))
	}
	check(verifier.Chain(away, old), "alice")
	check(verifier.Chain(away, old), "bob")
	check(verifier.Chain(old), "bob")
	// Output:
	// alice: refused false, unavailable false
	// bob: refused false, unavailable true
	// bob: refused true, unavailable false
}

// A client that logs in again and again costs a slow store one question.
func ExampleCache() {
	slow := verifiertest.NewMemory(verifiertest.User{Name: "alice", Password: "pencil"})
	users := verifier.Cache(slow, verifier.CacheOptions{Life: time.Minute})
	for range 10 {
		if _, err := users.VerifyPassword(context.Background(), verifier.Request{User: "alice"}, "pencil"); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("asked", slow.Checks.Load(), "time")
	users.Forget("alice", "") // her password was changed
	users.VerifyPassword(context.Background(), verifier.Request{User: "alice"}, "pencil")
	fmt.Println("asked", slow.Checks.Load(), "times")
	// Output:
	// asked 1 time
	// asked 2 times
}

// A server that was renamed keeps its database.
func ExampleMapRealm() {
	db := verifier.Static{"alice@old.example.com": "pencil"}
	users := verifier.MapRealm(db, map[string]string{"example.com": "old.example.com"})
	account, err := users.VerifyPassword(context.Background(), verifier.Request{User: "alice", Realm: "example.com"}, "pencil")
	fmt.Println(account.User, account.Realm, err)
	// Output: alice example.com <nil>
}

// Whoever logs in with PLAIN gets SCRAM keys, made of the password that shadow, PAM or
// saslauthd has just accepted.
func ExampleTransition() {
	onlyChecks := struct{ verifier.Verifier }{verifier.Static{"alice": "pencil"}}
	var store verifiertest.Memory // sasldb.Open("/etc/sasldb2"), in a program
	users, err := verifier.Transition(onlyChecks, &store, verifier.TransitionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	auth := &saslkit.Authenticator{Verifier: users, Mechanisms: []string{"SCRAM-SHA-256", "PLAIN"}}

	channel := saslkit.Channel{Secure: true}
	_, err = saslkittest.Login(auth, channel, "PLAIN", "alice", "pencil")
	fmt.Println("PLAIN:", err)
	if err := users.Close(); err != nil { // waits for the copy, so that this example is always the same
		log.Fatal(err)
	}
	_, err = saslkittest.Login(auth, channel, "SCRAM-SHA-256", "alice", "pencil")
	fmt.Println("SCRAM:", err)
	// Output:
	// PLAIN: <nil>
	// SCRAM: <nil>
}

// After the failures that are free a client has to wait, here longer than it may.
func ExampleNewThrottle() {
	guard, err := verifier.NewThrottle(verifier.ThrottleOptions{Free: 3, MaxDelay: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}, Guard: guard}
	channel := saslkit.Channel{Secure: true, Remote: netip.MustParseAddrPort("192.0.2.7:41000")}
	for _, password := range []string{"crayon", "eraser", "ruler", "pencil"} {
		_, err := saslkittest.Login(auth, channel, "PLAIN", "alice", password)
		fmt.Println("wrong:", errors.Is(err, verifier.ErrWrongPassword), "throttled:", errors.Is(err, verifier.ErrThrottled))
	}
	// Output:
	// wrong: true throttled: false
	// wrong: true throttled: false
	// wrong: true throttled: false
	// wrong: false throttled: true
}

// SCRAM keys move between programs; the password is not needed, and cannot be had.
func ExampleParseSCRAM() {
	// From PostgreSQL: SELECT rolpassword FROM pg_authid. The password is pencil (RFC
	// 7677 section 3).
	keys, err := verifier.ParseSCRAM("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
	if err != nil {
		log.Fatal(err)
	}
	dovecot, err := verifier.FormatSCRAM(keys, verifier.SCRAMDovecot)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(dovecot)

	users := verifiertest.NewMemory()
	users.Add(verifiertest.User{Name: "alice"}, keys)
	auth := &saslkit.Authenticator{Verifier: users, Mechanisms: []string{mech.SCRAMSHA256.Name}}
	result, err := saslkittest.Login(auth, saslkit.Channel{}, "SCRAM-SHA-256", "alice", "pencil")
	fmt.Println(result.User, err)
	// Output:
	// {SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=
	// alice <nil>
}
