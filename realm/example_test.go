package realm_test

import (
	"fmt"

	"github.com/saslkit/saslkit/realm"
)

// A site with two domains. Who leaves the domain away is in the first; what else the
// database may hold nobody reaches.
func ExamplePolicy() {
	site := realm.Policy{Default: "example.com", Others: []string{"example.org"}}
	for _, name := range []string{"alice", "alice@example.com", "alice@example.org", "alice@example.net", "alice@x@example.com"} {
		user, in, err := site.Split(name)
		fmt.Printf("%s: %q in %q, %v\n", name, user, in, err)
	}
	// Output:
	// alice: "alice" in "example.com", <nil>
	// alice@example.com: "alice" in "example.com", <nil>
	// alice@example.org: "alice" in "example.org", <nil>
	// alice@example.net: "alice" in "example.net", realm: realm is not served here
	// alice@x@example.com: "" in "", realm: name has more than one '@'
}

// Without realms the whole address is the user: for stores that know their users by it,
// and for PAM, which knows no realms.
func ExamplePolicy_withoutRealms() {
	var site realm.Policy
	user, in, err := site.Split("alice@example.com")
	fmt.Printf("%q in %q, %v\n", user, in, err)
	// Output: "alice@example.com" in "", <nil>
}

// Where a name has two '@' Cyrus SASL itself does not agree: sasldb and SQL cut at the
// first, saslauthd at the last.
func ExampleRule() {
	for _, site := range []realm.Policy{
		{Default: "example.com", Rule: realm.OneAt},
		{Default: "b@example.com", Rule: realm.CyrusFirstAt},
		{Default: "example.com", Rule: realm.CyrusLastAt},
	} {
		user, in, err := site.Split("a@b@example.com")
		fmt.Printf("%q in %q, %v\n", user, in, err)
	}
	// Output:
	// "" in "", realm: name has more than one '@'
	// "a" in "b@example.com", <nil>
	// "a@b" in "example.com", <nil>
}
