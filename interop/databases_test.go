package interop

import (
	_ "github.com/go-ldap/ldap/v3"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	_ "github.com/saslkit/saslkit/verifier/ldap"
	_ "github.com/saslkit/saslkit/verifier/pam"
)
