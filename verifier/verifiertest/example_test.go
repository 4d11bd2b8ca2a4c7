package verifiertest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// careless forgets that a query without rows is no success.
type careless struct{}

func (careless) VerifyPassword(_ context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if r.User == "alice" && password != "pencil" {
		return verifier.Account{}, verifier.ErrWrongPassword
	}
	return verifier.Account{User: r.User, Realm: r.Realm}, nil
}

// What is found in a verifier that lets in whom it does not know.
func ExampleTestVerifier() {
	err := verifiertest.TestVerifier(careless{}, verifiertest.User{Name: "alice", Password: "pencil"})
	var finding *verifiertest.Finding
	if errors.As(err, &finding) {
		fmt.Println(finding.Rule)
	}
	// Output: an unknown user is refused
}

// How a server takes it that its database fails at the second login.
func ExampleFaulty() {
	users := &verifiertest.Faulty{
		Verifier: verifier.Static{"alice": "pencil"},
		Fault:    verifiertest.Fault{Err: errors.New("connection reset by peer")},
		Nth:      2,
	}
	auth := &saslkit.Authenticator{Verifier: users}
	for range 3 {
		_, err := saslkittest.Login(auth, saslkit.Channel{Secure: true}, "PLAIN", "alice", "pencil")
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// sasl: temporary authentication failure: connection reset by peer
	// <nil>
}

// An unknown user costs what a wrong password costs: this is how to see it.
func ExampleMemory() {
	users := verifiertest.NewMemory(verifiertest.User{Name: "alice", Password: "pencil"})
	auth := &saslkit.Authenticator{Verifier: users}
	for _, name := range []string{"alice", "nobody"} {
		users.Checks.Store(0)
		saslkittest.Login(auth, saslkit.Channel{Secure: true}, "PLAIN", name, "crayon")
		fmt.Println(name, users.Checks.Load())
	}
	// Output:
	// alice 1
	// nobody 1
}
