package ldap_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/ldap"
)

// Two servers, the second for when the first does not answer. The service account looks
// for the entry, and the directory compares the password by a bind as that entry: who is
// not in the group cannot log in.
func Example() {
	users, err := ldap.New(ldap.Options{
		Servers:    []string{"ldaps://ldap1.example.com/", "ldaps://ldap2.example.com/"},
		SearchBase: "ou=people,dc=example,dc=com",
		Filter:     "(&(objectClass=inetOrgPerson)(uid=%u))",
		BindDN:     "cn=mail,dc=example,dc=com", BindPassword: os.Getenv("LDAP_PASSWORD"),
		UserAttribute: "uid",
		Group:         ldap.Group{DN: "cn=mail,ou=groups,dc=example,dc=com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()
	auth := &saslkit.Authenticator{Verifier: verifier.Cache(users, verifier.CacheOptions{Life: 30 * time.Second})}
	if err := auth.Validate(); err != nil {
		log.Fatal(err)
	}
}

// A directory that holds SCRAM keys, which the service account may read: SCRAM and PLAIN
// are offered to those who have them.
func ExampleDirectory_Refresh() {
	users, err := ldap.New(ldap.Options{
		Servers:    []string{"ldap://ldap.example.com/"},
		StartTLS:   true,
		Method:     ldap.Attributes,
		SearchBase: "ou=people,dc=example,dc=com",
		Filter:     "(uid=%u)",
		ListFilter: "(objectClass=inetOrgPerson)",
		BindDN:     "cn=mail,dc=example,dc=com", BindPassword: os.Getenv("LDAP_PASSWORD"),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()
	if err := users.Refresh(context.Background()); err != nil { // and every few minutes
		log.Print(err)
	}
	fmt.Println(users.Coverage().Users)
}

// What could let in the wrong people is an error at start.
func ExampleNew() {
	for _, filter := range []string{"(uid=alice)", "(uid=%n)", "(|(uid=%u)(mail=%u)"} {
		_, err := ldap.New(ldap.Options{
			Servers:    []string{"ldaps://ldap.example.com/"},
			SearchBase: "ou=people,dc=example,dc=com",
			Filter:     filter,
		})
		fmt.Println(err)
	}
	// Output:
	// ldap: options: filter: without %u or %U every user is the same entry (add (uid=%u))
	// ldap: options: filter: unknown field "%n" (known: %u %U %d %r %R %s %D %1 to %9; write %% for a per cent sign)
	// ldap: options: filter: no filter of RFC 4515 (are the parentheses balanced?)
}
