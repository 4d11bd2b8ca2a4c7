package main

import _ "github.com/saslkit/saslkit/verifier/ldap"
