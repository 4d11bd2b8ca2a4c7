//go:build linux

package interop

import (
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
)

// TestReferenceSQLiteHole: for SQLite the plugin of Cyrus SASL writes a backslash before
// a quote, which to SQLite is a letter like others. So the name that a client sends is a
// part of the statement, and who knows no password brings one along. We bind names.
func TestReferenceSQLiteHole(t *testing.T) {
	t.Parallel()
	needCyrusPlugin(t)
	d := newSQLite(t)
	d.run(t, "CREATE TABLE sasl_users (username NAME NOT NULL, realm NAME NOT NULL, userPassword VARCHAR(9000), authPassword VARCHAR(500))")
	server := peers.Compile(t, "testdata/libsasl2_server.c", libsasl2)
	c := newCyrusSQL(t, d, pluginEngine{lines: d.conf}, server, "userPassword")
	const name = "' UNION SELECT 12345 --"
	for _, m := range []string{"PLAIN", "CRAM-MD5", "DIGEST-MD5"} {
		c.wantCyrusBy(t, m, saslOK, name, "12345")
		wantRefused(t, c.auth, m, name, "12345")
	}
	c.wantCyrusBy(t, "PLAIN", saslNoUser, strings.TrimPrefix(name, "'"), "12345")
}
