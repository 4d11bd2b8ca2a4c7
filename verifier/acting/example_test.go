package acting_test

import (
	"fmt"
	"strings"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/acting"
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
	// sasl: not permitted to act as the requested identity
}
