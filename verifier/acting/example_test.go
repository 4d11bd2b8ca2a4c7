package acting_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/acting"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// Alice logs in with her own password and acts as sales.
func Example() {
	policy := realm.Policy{Default: "example.com"}
	rules, err := acting.Parse("acting", strings.NewReader("alice sales@example.com\n"), acting.Options{Realm: policy})
	if err != nil {
		fmt.Println(err)
		return
	}
	auth := &saslkit.Authenticator{
		Verifier:   verifier.Static{"alice": "wonderland"},
		Authorizer: rules,
	}
	for _, whom := range []string{"sales@example.com", "root@example.com"} {
		result, err := saslkittest.Client{
			Mechanism:   mech.SCRAMSHA256.Name,
			Credentials: saslkit.Credentials{Username: "alice", Password: "wonderland", Authzid: whom},
			Realm:       policy,
		}.Login(auth)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(result.Name(), "acts as", result.Authzid)
	}
	// Output:
	// alice@example.com acts as sales@example.com
	// sasl: not permitted to act as the requested identity: acting: "alice@example.com" as "root@example.com": no rule: verifier: may not act as the requested identity
}

// A rule knows names; with the store behind it nobody acts as who is locked, or does not
// exist.
func ExampleAccounts() {
	users := verifiertest.NewMemory(
		verifiertest.User{Name: "alice", Password: "wonderland"},
		verifiertest.User{Name: "bob", Password: "builder", Disabled: true})
	rules, err := acting.Parse("acting", strings.NewReader("alice *\n"), acting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	asker := &acting.Accounts{Rules: rules, Store: users, Known: true}
	alice := verifier.Account{User: "alice"}
	fmt.Println(asker.Authorize(context.Background(), alice, "bob", ""))
	fmt.Println(asker.Authorize(context.Background(), alice, "carol", ""))
	// Output:
	// acting: "bob": verifier: account is disabled: verifier: may not act as the requested identity
	// acting: "carol": verifier: no such user: verifier: may not act as the requested identity
}
