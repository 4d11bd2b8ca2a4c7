package interop

import (
	_ "github.com/go-ldap/ldap/v3"

	_ "github.com/saslkit/saslkit/verifier/ldap"
	_ "github.com/saslkit/saslkit/verifier/pam"
)
