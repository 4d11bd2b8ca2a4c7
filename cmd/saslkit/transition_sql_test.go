package main

import (
	"database/sql"
	"path/filepath"
	"testing"
)

// TestTransitionToSQL: a table is a place to move to as well, with a column for where
// its users are from.
func TestTransitionToSQL(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users.sqlite")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE users (name text, realm text, password text, scram_sha_256 text, scram_sha_1 text, saslkit_origin text)"); err != nil {
		t.Fatal(err)
	}
	const columns, where = "password, scram_sha_256, scram_sha_1, saslkit_origin", " WHERE name = '%u' AND realm = '%r'"
	conf := textFile(t, "sql.conf", "sql_engine: sqlite3", "sql_database: "+file,
		"sql_select: SELECT "+columns+" FROM users"+where,
		"sql_list: SELECT name AS user, realm, "+columns+" FROM users",
		"sql_insert: INSERT INTO users (name, realm, %p) VALUES ('%u', '%r', '%v')",
		"sql_update: UPDATE users SET %p = '%v'"+where,
		"sql_delete: DELETE FROM users"+where)
	shadow := textFile(t, "shadow", shadowLine("alice", md5Hash))
	m := moved{[]string{"--verifier", "shadow:" + shadow, "--secrets", "sql:" + conf, "--transition", "noplain"}, t}
	m.check("alice", "secret", "", "ok user=alice realm=example.com mech=PLAIN", "was copied")
	for _, name := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1"} {
		m.check("alice", "secret", name, "ok user=alice realm=example.com mech="+name)
	}
	rewrite(t, shadow, shadowLine("alice", "!"+md5Hash))
	m.check("alice", "secret", "SCRAM-SHA-256", "no reason=unavailable", "has changed since")
	m.check("alice", "secret", "", "no reason=disabled", "the copy was removed")
	var users int
	if err := db.QueryRow("SELECT count(*) FROM users").Scan(&users); err != nil || users != 0 {
		t.Errorf("%d users, %v", users, err)
	}
}
