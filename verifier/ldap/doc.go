// Package ldap checks passwords with a directory, and hands out the secrets that its
// entries hold.
package ldap

import _ "github.com/go-ldap/ldap/v3"
