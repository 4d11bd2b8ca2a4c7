//go:build unix

package interop

import (
	"testing"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/ldap"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// The contract, by every method.
func TestLDAPContract(t *testing.T) {
	t.Parallel()
	d := startDirectory(t, directoryPlan{entries: []ldapItem{
		person("alice", "canary-alice"), person("bob", "canary-bob"),
	}})
	users := []verifiertest.User{{Name: "alice", Password: "canary-alice"}, {Name: "bob", Password: "canary-bob"}}
	for name, change := range map[string]func(*ldap.Options){
		"bind":     nil,
		"fastbind": func(o *ldap.Options) { o.Method, o.Filter = ldap.Fastbind, "uid=%u,ou=people,dc=example" },
		"compare":  func(o *ldap.Options) { o.Method = ldap.Compare },
		"attributes": func(o *ldap.Options) {
			o.Method, o.Kinds = ldap.Attributes, verifier.KindsOf(verifier.KindPassword)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := verifiertest.TestVerifier(d.verifier(t, change), users...); err != nil {
				t.Error(err)
			}
		})
	}
}
