package ldap_test

import (
	"context"
	"fmt"
	"os"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/ldap"
)

func Example() {
	d, err := ldap.New(ldap.Options{
		Servers:    []string{"ldaps://ldap1.example.com/", "ldaps://ldap2.example.com/"},
		SearchBase: "ou=people,dc=example,dc=com",
		Filter:     "(&(objectClass=inetOrgPerson)(uid=%u))",
		BindDN:     "cn=mail,dc=example,dc=com", BindPassword: os.Getenv("LDAP_PASSWORD"),
		UserAttribute: "uid",
		Group:         ldap.Group{DN: "cn=mail,ou=groups,dc=example,dc=com"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	account, err := d.VerifyPassword(context.Background(), verifier.Request{User: "alice", Service: "smtp"}, "secret")
	fmt.Println(account.User, err)
}
