//go:build linux

package interop

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// awkward are names that a statement must not take for anything else.
var awkward = []string{"o'brien", `back\slash\`, `"quoted"`, "100%u%p%%", "jürgen 日本;--"}

// awkwardPassword is one such password.
const awkwardPassword = `it's \ 100%u "wörd";--`

// besideCyrus compares the plugin with our verifier.
func besideCyrus(t *testing.T, command string, d *database, e pluginEngine) {
	needCyrusPlugin(t)
	d.run(t, "CREATE TABLE sasl_users (username NAME NOT NULL, realm NAME NOT NULL, userPassword VARCHAR(9000), authPassword VARCHAR(500))")
	server := peers.Compile(t, "testdata/libsasl2_server.c", libsasl2)
	byProperty, byColumn := newCyrusSQL(t, d, e, server, "%p"), newCyrusSQL(t, d, e, server, "userPassword")
	t.Run("users of saslpasswd2", func(t *testing.T) { byProperty.ofSaslpasswd2(t) })
	t.Run("users of ours", func(t *testing.T) { byProperty.ofOurs(t) })
	t.Run("users of ours in one column", func(t *testing.T) { byColumn.ofOurs(t) })
	t.Run("keys", func(t *testing.T) { byProperty.ofKeys(t) })
	t.Run("what saslpasswd2 takes away", func(t *testing.T) { byProperty.deleted(t); byColumn.overwritten(t) })
	t.Run("differences", func(t *testing.T) { byProperty.differ(t); byColumn.differ(t) })
	t.Run("trouble", func(t *testing.T) { byProperty.trouble(t, command) })
	t.Run("command", func(t *testing.T) { byProperty.command(t, command); byColumn.command(t, command) })
}

// ofSaslpasswd2: whom saslpasswd2 adds or changes we let in.
func (c *cyrusSQL) ofSaslpasswd2(t *testing.T) {
	c.run(t, "DELETE FROM sasl_users")
	password := awkwardPassword
	if !c.escapes {
		password = strings.NewReplacer("'", "", `\`, "").Replace(password)
	}
	for _, user := range awkward {
		if !c.escapes && strings.ContainsAny(user, `'\`) {
			continue
		}
		if err := c.saslpasswd2(t, "-c", user, "first"); err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		if err := c.ours(t, user, "first"); (err == nil) != c.inserts {
			t.Errorf("%s added: %v", user, err)
		}
		if !c.inserts {
			c.update(t, user, "first")
		}
		if err := c.saslpasswd2(t, "-c", user, password); err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		c.wantOurs(t, user, password)
	}
}

// ofOurs: whom our verifier adds libsasl2's server lets in.
func (c *cyrusSQL) ofOurs(t *testing.T) {
	c.run(t, "DELETE FROM sasl_users")
	for _, user := range awkward {
		c.update(t, user, "first")
		c.update(t, user, awkwardPassword)
		c.wantOurs(t, user, awkwardPassword)
		right, wrong := saslOK, saslBadAuth
		if !c.escapes && strings.ContainsAny(user, `'\`) {
			right, wrong = saslNoUser, saslNoUser
		}
		c.wantCyrus(t, right, user, awkwardPassword)
		c.wantCyrus(t, wrong, user, "first")
	}
}

// ofKeys: SCRAM keys alone are of use to us. Cyrus looks at the password before them, and
// where a NULL is one to it they are of no use.
func (c *cyrusSQL) ofKeys(t *testing.T) {
	secrets, err := mech.SecretOptions{Iterations: mech.MinIterations}.Secrets("keys", sqlRealm, "secret", verifier.KindSCRAMSHA256)
	if err != nil {
		t.Fatal(err)
	}
	c.run(t, "DELETE FROM sasl_users")
	c.hold(t, "keys", secrets...)
	if _, err := loginAs(c.auth, scram256, "keys", "secret"); err != nil {
		t.Error(err)
	}
	c.wantCyrusBy(t, scram256, c.keys, "keys", "secret")
}

// deleted: a user whom saslpasswd2 deletes has the password NULL, with Cyrus. Keys that
// are still there are of no use to him.
func (c *cyrusSQL) deleted(t *testing.T) {
	c.run(t, "DELETE FROM sasl_users")
	c.update(t, "gone", "secret")
	c.run(t, "UPDATE sasl_users SET authPassword = '"+sqlSecret(t, verifier.KindSCRAMSHA256, "gone", "secret")+"'")
	if err := c.saslpasswd2(t, "-d", "gone", ""); err != nil {
		t.Fatal(err)
	}
	c.nobody(t, "gone")
}

// overwritten: so has one whose password it sets by a sql_update without %p, for when it
// has done so it clears properties of mechanisms. It reports success.
func (c *cyrusSQL) overwritten(t *testing.T) {
	c.run(t, "DELETE FROM sasl_users")
	c.update(t, "changed", "secret")
	if err := c.saslpasswd2(t, "-c", "changed", "second"); err != nil {
		t.Fatal(err)
	}
	c.nobody(t, "changed")
}

// nobody has the user be somebody to Cyrus, with the password NULL, and nobody to us.
func (c *cyrusSQL) nobody(t *testing.T, user string) {
	t.Helper()
	c.wantCyrus(t, saslOK, user, "NULL")
	for _, m := range pluginMechanisms {
		wantRefused(t, c.auth, m, user, "NULL")
	}
	for _, password := range []string{"NULL", "secret"} {
		if err := c.ours(t, user, password); !errors.Is(err, verifier.ErrNoUser) {
			t.Errorf("%s with %s: %v", user, password, err)
		}
	}
}

// differ holds what is stored against what each takes for the password.
func (c *cyrusSQL) differ(t *testing.T) {
	const sha1, sha512 = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz."
	long := strings.Repeat("x", 8200) // Cyrus reads 8,190 bytes of it, and one that is nobody's
	c.run(t, "DELETE FROM sasl_users", "INSERT INTO sasl_users (username, realm, userPassword) VALUES ('plain', 'mail.example', 'secret'), ('null', 'mail.example', NULL), ('word', 'mail.example', 'NULL'),"+
		"('empty', 'mail.example', ''), ('sha1', 'mail.example', '"+sha1+"'), ('sha512', 'mail.example', '"+sha512+"'), ('blank', 'mail.example', 'secret '),"+
		"('long', 'mail.example', '"+long+"'), ('hosted', 'host.example', 'secret')",
		"INSERT INTO sasl_users (username, realm, userPassword) VALUES ('twice', 'mail.example', 'first')", "INSERT INTO sasl_users (username, realm, userPassword) VALUES ('twice', 'mail.example', 'last')")
	first, last := saslOK, saslBadAuth
	if c.last {
		first, last = last, first
	}
	check := &checkpasser{conf: c.folder, realm: sqlRealm}
	var logins []string
	var want []int
	for _, row := range []struct {
		user, password string
		cyrus          int
		ours           error
	}{
		{"plain", "secret", saslOK, nil},
		{"plain", "wrong", saslBadAuth, verifier.ErrWrongPassword},
		{"nobody", "secret", saslNoUser, verifier.ErrNoUser},
		{"null", "", c.null, verifier.ErrNoUser},
		{"null", "NULL", c.word, verifier.ErrNoUser},
		{"word", "NULL", saslOK, verifier.ErrNoUser},
		{"empty", "", saslOK, verifier.ErrNoUser},
		{"sha1", sha1, saslOK, verifier.ErrWrongPassword},
		{"sha1", "secret", saslBadAuth, nil},
		{"sha512", sha512, saslOK, verifier.ErrWrongPassword},
		{"sha512", "secret", saslBadAuth, nil},
		{"blank", "secret ", saslOK, nil},
		{"blank", "secret", saslBadAuth, verifier.ErrWrongPassword},
		{"twice", "first", first, verifier.ErrUnavailable},
		{"twice", "last", last, verifier.ErrUnavailable},
		{"long", long, saslBadAuth, verifier.ErrNoSecret},
	} {
		logins, want = append(logins, row.user+" "+row.password), append(want, row.cyrus)
		if err := c.ours(t, row.user, row.password); !errors.Is(err, row.ours) || row.ours == nil && err != nil {
			t.Errorf("%s with %.20q: %v, want %v", row.user, row.password, err, row.ours)
		}
	}
	if got := check.codes(t, logins...); got != codes(want...) {
		t.Errorf("libsasl2 says %s\nwant %s\nto %.30q", got, codes(want...), logins)
	}
	// Without a realm there is the host's name, with Cyrus.
	check.realm = ""
	if got := check.codes(t, "hosted secret"); got != codes(saslOK) {
		t.Errorf("no realm: libsasl2 says %s", got)
	}
	if _, err := c.store.VerifyPassword(t.Context(), verifier.Request{User: "hosted"}, "secret"); !errors.Is(err, verifier.ErrNoUser) {
		t.Errorf("no realm: %v", err)
	}
}

// trouble: a statement that fails is an unknown user to Cyrus; the client is told to try
// again by us.
func (c *cyrusSQL) trouble(t *testing.T, command string) {
	for _, row := range []struct {
		name, conf string
		cyrus      int
	}{
		{"no such column", c.lines + pluginKeys(pluginStatements("nothing")), saslNoUser},
		{"no such database", c.absent + pluginKeys(pluginStatements("%p")), c.down},
	} {
		folder := pluginFolder(t, row.conf)
		out, _ := feed(exec.Command(command, "check", "--conf", filepath.Join(folder, "interop.conf"), "-r", sqlRealm, "--password-stdin", "plain"), "secret\n").CombinedOutput()
		if !strings.Contains(string(out), "no reason=unavailable\n") || strings.Contains(string(out), "secret") {
			t.Errorf("%s: %s", row.name, out)
		}
		check := &checkpasser{conf: folder, realm: sqlRealm}
		if got := check.codes(t, "plain secret"); got != codes(row.cyrus) {
			t.Errorf("%s: libsasl2 says %s", row.name, got)
		}
	}
}

// command: saslkit reads the file that libsasl2 reads.
func (c *cyrusSQL) command(t *testing.T, command string) {
	c.run(t, "DELETE FROM sasl_users", "INSERT INTO sasl_users (username, realm, userPassword) VALUES ('plain', 'mail.example', 'secret')")
	conf := filepath.Join(c.folder, "interop.conf")
	var offered []string
	for line := range strings.Lines(runOn(t, "", command, "mechs", "--conf", conf, "-r", sqlRealm)) {
		if f := strings.Fields(line); f[0] == "tls" && f[2] == "yes" && !isPlus(f[1]) {
			offered = append(offered, f[1])
		}
	}
	if !slices.Equal(offered, pluginMechanisms) {
		t.Errorf("%q are offered", offered)
	}
	for _, m := range pluginMechanisms {
		out := runOn(t, "secret\n", command, "check", "--conf", conf, "-r", sqlRealm, "--mech", m, "--password-stdin", "plain")
		// Before it may stand warnings of what the plugin does with the file.
		if want := "ok user=plain realm=" + sqlRealm + " mech=" + m + "\n"; !strings.HasSuffix("\n"+out, "\n"+want) {
			t.Errorf("%s: %s", m, out)
		}
	}
	c.wantCyrus(t, saslOK, "plain", "secret")
}

// SQLite's plugin adds no users, since it takes a user without a row for one with; it finds
// no names with quotes or backslashes; reads a NULL as the word; and
// makes a file that is missing.
func TestSQLiteCyrus(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	missing := filepath.Join(t.TempDir(), "missing.db")
	besideCyrus(t, saslkitCommand(t), d, pluginEngine{
		lines: d.conf, absent: "sql_engine: sqlite3\nsql_database: " + missing + "\n", down: saslNoUser,
		last: true, null: saslBadAuth, word: saslOK, keys: saslBadAuth,
	})
	if _, err := os.Stat(missing); err != nil {
		t.Error("the plugin made no file")
	}
}
