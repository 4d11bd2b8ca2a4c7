//go:build linux

package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/verifier"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
)

// saslNoUser is libsasl2's code for a user whom it does not find.
const saslNoUser = -20

// A pluginEngine is how Cyrus SASL's plugin sql gets on with a database.
type pluginEngine struct {
	lines   string // sql_ keys for the plugin and for us
	absent  string // those of a database that is not there
	down    int    // what the plugin says then
	escapes bool   // quotes and backslashes in names and passwords are written as the database reads them
	inserts bool   // saslpasswd2 adds users
	last    bool   // the last of several rows counts, not the first
	// what a NULL is as a password, where it is one
	null, word int // the code for the password "", and for "NULL"
	keys       int // what SCRAM says to the right password where there are keys beside that NULL
}

// cyrusSQL is the plugin and our verifier, on one table and by one file.
type cyrusSQL struct {
	*database
	pluginEngine
	folder string // of the file
	server *libsasl2Server
	store  *saslsql.DB
	auth   *saslkit.Authenticator
}

var pluginMechanisms = []string{"PLAIN", "CRAM-MD5", "DIGEST-MD5", scram256}

// needCyrusPlugin wants the plugin, which Debian packs apart.
func needCyrusPlugin(t *testing.T) {
	t.Helper()
	needCyrusModules(t)
	for _, pattern := range []string{"/usr/lib/*/sasl2/libsql.so", "/usr/lib*/sasl2/libsql.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return
		}
	}
	peers.Missing(t, "the plugin sql of libsasl2 (Debian package libsasl2-modules-sql)")
}

// pluginKeys are the keys of a file beside those of the database.
func pluginKeys(o saslsql.Options) string {
	return "pwcheck_method: auxprop\nauxprop_plugin: sql\nlog_level: 0\nmech_list: " + strings.Join(pluginMechanisms, " ") +
		"\nsql_select: " + o.Select + "\nsql_insert: " + o.Insert + "\nsql_update: " + o.Update + "\n"
}

// pluginFolder is a SASL_CONF_PATH with the file of a server and that of saslpasswd2,
// which say the same.
func pluginFolder(t *testing.T, conf string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"interop.conf", "saslpasswd.conf"} {
		writeFile(t, filepath.Join(folder, name), []byte(conf))
	}
	return folder
}

// pluginStatements are those of the howtos; column is %p, or the name of one.
func pluginStatements(column string) saslsql.Options {
	const where = " WHERE username = '%u' AND realm = '%r'"
	kinds := verifier.KindsOf(verifier.KindPassword)
	if column == "%p" {
		kinds |= verifier.KindsOf(verifier.KindSCRAMSHA256)
	}
	return saslsql.Options{
		Kinds:  kinds,
		Select: "SELECT " + column + " FROM sasl_users" + where,
		Insert: "INSERT INTO sasl_users (username, realm, " + column + ") VALUES ('%u', '%r', '%v')",
		Update: "UPDATE sasl_users SET " + column + " = '%v'" + where,
	}
}

func newCyrusSQL(t *testing.T, d *database, e pluginEngine, server, column string) *cyrusSQL {
	t.Helper()
	o := pluginStatements(column)
	c := &cyrusSQL{database: d, pluginEngine: e, folder: pluginFolder(t, e.lines+pluginKeys(o)), store: d.new(t, o)}
	in, out := peers.Start(t, need(t, "env"), "SASL_CONF_PATH="+c.folder, server, "-", sqlRealm)
	c.server = &libsasl2Server{in, out}
	c.auth = &saslkit.Authenticator{Verifier: c.store, Mechanisms: pluginMechanisms, Policy: labPolicy}
	return c
}

// saslpasswd2 sets a password, or deletes the user.
func (c *cyrusSQL) saslpasswd2(t *testing.T, flag, user, password string) error {
	t.Helper()
	cmd := feed(exec.Command(need(t, "saslpasswd2"), flag, "-p", "-u", sqlRealm, user), password)
	cmd.Env = append(os.Environ(), "SASL_CONF_PATH="+c.folder)
	return cmd.Run()
}

// update has our verifier set a password.
func (c *cyrusSQL) update(t *testing.T, user, password string) {
	t.Helper()
	c.hold(t, user, verifier.Secret{Kind: verifier.KindPassword, Value: []byte(password)})
}

func (c *cyrusSQL) hold(t *testing.T, user string, secrets ...verifier.Secret) {
	t.Helper()
	err := c.store.Update(t.Context(), verifier.Request{User: user, Realm: sqlRealm}, func(verifier.Entry) (verifier.Entry, error) {
		return verifier.Entry{Exists: true, Secrets: secrets}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantOurs logs in to our server by every mechanism, with the right password and a wrong one.
func (c *cyrusSQL) wantOurs(t *testing.T, user, password string) {
	t.Helper()
	for _, m := range pluginMechanisms {
		if r, err := loginAs(c.auth, m, user, password); err != nil || r.User != user {
			t.Errorf("%s by %s: %v", user, m, err)
		}
		wantRefused(t, c.auth, m, user, password+"x")
	}
}

// wantCyrus logs in to libsasl2's, which refuses with a code.
func (c *cyrusSQL) wantCyrus(t *testing.T, code int, user, password string) {
	t.Helper()
	for _, m := range pluginMechanisms {
		c.wantCyrusBy(t, m, code, user, password)
	}
}

func (c *cyrusSQL) wantCyrusBy(t *testing.T, mechanism string, code int, user, password string) {
	t.Helper()
	err := login{mechanism: mechanism, user: user, password: password}.into(t, c.server.server(mechanism, noBinding))
	var refusal *libsasl2Refusal
	if errors.As(err, &refusal) && refusal.code == code || err == nil && code == saslOK {
		return
	}
	t.Errorf("%s by %s: %v, want code %d", user, mechanism, err, code)
}

// ours is what our verifier says to a password.
func (c *cyrusSQL) ours(t *testing.T, user, password string) error {
	t.Helper()
	_, err := c.store.VerifyPassword(t.Context(), verifier.Request{User: user, Realm: sqlRealm}, password)
	return err
}

// PostgreSQL's plugin takes a NULL for an empty password.
func besideCyrusPostgres(t *testing.T, command string, s *postgresServer) {
	keys := "sql_engine: pgsql\nsql_hostnames: %s:%s\nsql_user: " + postgresAdmin + "\nsql_database: postgres\n"
	besideCyrus(t, command, s.database, pluginEngine{
		lines: fmt.Sprintf(keys, s.postgres.dir, s.port), absent: fmt.Sprintf(keys, "127.0.0.1", freePort(t)), down: saslFail,
		escapes: true, inserts: true, null: saslOK, word: saslBadAuth, keys: saslFail,
	})
}

// MySQL's library does not take a socket for a host, as we do.
func besideCyrusMaria(t *testing.T, command string, s *mariaServer) {
	s.database.run(t, "CREATE USER plugin@'127.0.0.%' IDENTIFIED BY 'canary-of-mine'", "GRANT ALL ON mysql.* TO plugin@'127.0.0.%'")
	keys := "sql_engine: mysql\nsql_hostnames: 127.0.0.1:%s\nsql_user: plugin\nsql_passwd: canary-of-mine\nsql_database: mysql\n"
	besideCyrus(t, command, s.database, pluginEngine{
		lines: fmt.Sprintf(keys, s.port), absent: fmt.Sprintf(keys, freePort(t)), down: saslFail,
		escapes: true, inserts: true, null: saslNoUser, word: saslNoUser,
	})
}
