package main

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/cyrusconf"
)

// usersDB makes an SQLite file and returns the sql_ lines for it.
func usersDB(t *testing.T) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users?&#.db")
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("?", "%3f", "#", "%23").Replace(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range []string{
		"CREATE TABLE users (username, realm, userPassword)",
		"INSERT INTO users VALUES ('alice', 'mail.example', 'wonderland'), ('bob', 'mail.example', '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=')",
	} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"sql_engine: sqlite3", "sql_database: " + path}
}

const (
	cyrusSelect = "sql_select: SELECT %p FROM users WHERE username = '%u' AND realm = '%r'"
	namedSelect = "sql_select: SELECT userPassword AS password FROM users WHERE username = '%u' AND realm = '%r'"
	namedList   = "sql_list: SELECT username AS user, realm, userPassword AS password FROM users"
)

// TestSQL: a login by a file of sql_ keys, and by a Cyrus application's that names the
// plugin or only has its statement.
func TestSQL(t *testing.T) {
	t.Parallel()
	lines := usersDB(t)
	missing := filepath.Join(t.TempDir(), "sasldb2")
	file := func(more ...string) string { return textFile(t, "sql.conf", append(more, lines...)...) }
	for _, c := range []struct {
		name     string
		args     []string
		password string
		code     int
		out      string
	}{
		{"password", []string{"--verifier", "sql:" + file(cyrusSelect)}, "wonderland", 0, "ok user=alice realm=mail.example mech=PLAIN\n"},
		{"wrong password", []string{"--verifier", "sql:" + file(cyrusSelect)}, "canary", 1, "no reason=wrong-password\n"},
		{"SCRAM", []string{"--verifier", "sql:" + file(cyrusSelect), "--mech", "SCRAM-SHA-256"}, "wonderland", 0, "ok user=alice realm=mail.example mech=SCRAM-SHA-256\n"},
		{"secrets", []string{"--secrets", "sql:" + file(cyrusSelect), "--mech", "CRAM-MD5"}, "wonderland", 0, "ok user=alice realm=mail.example mech=CRAM-MD5\n"},
		{"auxprop_plugin", []string{"--conf", file(cyrusSelect, "auxprop_plugin: sql", "pwcheck_method: auxprop")}, "wonderland", 0, "ok user=alice realm=mail.example mech=PLAIN\n"},
		{"a statement alone", []string{"--conf", file(cyrusSelect, "sasldb_path: "+missing)}, "wonderland", 0, "ok user=alice realm=mail.example mech=PLAIN\n"},
		{"counted", []string{"--verifier", "sql:" + file(namedSelect, namedList), "--mech", "PLAIN"}, "wonderland", 0, "ok user=alice realm=mail.example mech=PLAIN\n"},
		{"no such column", []string{"--verifier", "sql:" + file("sql_select: SELECT pw FROM users WHERE username = '%u'")}, "canary", 3, "no reason=unavailable\n"},
		{"no such file", []string{"--verifier", "sql:" + textFile(t, "sql.conf", cyrusSelect, "sql_engine: sqlite", "sql_database: "+missing)}, "canary", 3, "no reason=unavailable\n"},
		{"no such file to count", []string{"--verifier", "sql:" + textFile(t, "sql.conf", cyrusSelect, namedList, "sql_engine: sqlite", "sql_database: "+missing)}, "canary", 3, "no reason=unavailable\n"},
		{"no statement", []string{"--verifier", "sql:" + file()}, "canary", 2, ""},
		{"broken statement", []string{"--verifier", "sql:" + file("sql_select: SELECT '%u")}, "canary", 2, ""},
		{"broken kinds", []string{"--verifier", "sql:" + file(cyrusSelect, "sql_kinds: passwords")}, "canary", 2, ""},
		{"no such configuration", []string{"--verifier", "sql:" + missing}, "canary", 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := runCommand(t, c.password+"\n", append([]string{"check", "--password-stdin", "-r", "mail.example", "alice"}, c.args...)...)
			if got.code != c.code || got.out != c.out || strings.Contains(got.stderr, "canary") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestSQLMechs: what users have is counted, not guessed.
func TestSQLMechs(t *testing.T) {
	t.Parallel()
	conf := textFile(t, "sql.conf", append(usersDB(t), namedSelect, namedList)...)
	got := runCommand(t, "", "mechs", "--verifier", "sql:"+conf, "--mech-list", "PLAIN CRAM-MD5")
	if got.code != 0 || !strings.Contains(got.stderr, "mail.example") {
		t.Errorf("%+v", got)
	}
	got = runCommand(t, "", "mechs", "--verifier", "sql:"+conf)
	for line := range strings.Lines(got.out) {
		f := strings.Fields(line)
		if f[0] == "tls" && f[1] == "PLAIN" && f[2] != "yes" || f[1] == "CRAM-MD5" && f[2] != "no" {
			t.Error(line)
		}
	}
}

func TestSQLHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, name string
		port       uint16
	}{
		{"db.example", "db.example", 5432}, {"db.example:5433", "db.example", 5433}, {"", "", 5432},
		{"/run/postgresql", "/run/postgresql", 5432}, {"/run/postgresql:5433", "/run/postgresql", 5433},
		{"::1", "::1", 5432}, {"[::1]", "::1", 5432}, {"[::1]:5433", "::1", 5433},
	} {
		name, port, err := cutPort(c.host, "5432")
		if err != nil || name != c.name || port != c.port {
			t.Errorf("%q: %q, %d, %v", c.host, name, port, err)
		}
	}
	for _, host := range []string{"db.example:", "db.example:0", "db.example:65536", "db.example:pg"} {
		if name, port, err := cutPort(host, "5432"); err == nil || name != "" || port != 0 {
			t.Errorf("%q: %q, %d", host, name, port)
		}
	}
}

// TestSQLServers: a pool for each host, and no password in what is wrong with one.
func TestSQLServers(t *testing.T) {
	t.Parallel()
	conf := cyrusconf.SQL{Engine: "pgsql", Hostnames: []string{"a.example", "b.example:5433"}, User: "mail", Passwd: "canary", Select: "SELECT p FROM u WHERE n = '%u'"}
	for _, engine := range []string{"pgsql", "mysql"} {
		conf.Engine = engine
		o, err := sqlOptions("test", conf)
		if err != nil || len(o.Servers) != 2 {
			t.Fatalf("%s: %d servers, %v", engine, len(o.Servers), err)
		}
		for _, pool := range o.Servers {
			pool.Close()
		}
		for _, broken := range []func(*cyrusconf.SQL){
			func(c *cyrusconf.SQL) { c.Hostnames = []string{"a.example", "b.example:x"} },
			func(c *cyrusconf.SQL) { c.UseSSL, c.SSLCA = true, filepath.Join(t.TempDir(), "missing") },
			func(c *cyrusconf.SQL) { c.UseSSL, c.SSLCA = true, textFile(t, "ca.pem", "no certificate") },
			func(c *cyrusconf.SQL) { c.Kinds = "scram" },
		} {
			c := conf
			broken(&c)
			if o, err := sqlOptions("test", c); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %d servers, %v", engine, len(o.Servers), err)
			}
		}
	}
}
