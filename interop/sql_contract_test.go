//go:build linux

package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

const sqlRealm = "mail.example"

// sqlSecret is a secret in the form of a column.
func sqlSecret(t testing.TB, kind verifier.Kind, user, password string) string {
	t.Helper()
	secrets, err := mech.SecretOptions{Iterations: mech.MinIterations}.Secrets(user, sqlRealm, password, kind)
	if err != nil {
		t.Fatal(err)
	}
	if !kind.IsSCRAM() {
		return fmt.Sprintf("%x", secrets[0].Value)
	}
	text, err := verifier.FormatSCRAM(secrets[0], verifier.SCRAMRecord)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// contract holds the verifier against its contract, in the ways that tables are made.
func contract(t *testing.T, d *database) {
	t.Run("a column for each property", func(t *testing.T) { t.Parallel(); contractOfProperties(t, d) })
	t.Run("a row of named columns", func(t *testing.T) { t.Parallel(); contractOfRows(t, d) })
}

// contractOfProperties is for the table of Cyrus's howtos, with more columns.
func contractOfProperties(t *testing.T, d *database) {
	d.run(t, "CREATE TABLE cyrus (username NAME NOT NULL, realm NAME NOT NULL, !userPassword! TEXT, !authPassword! TEXT, scram_sha_512 TEXT, !cmusaslsecretOTP! TEXT, PRIMARY KEY (username, realm))",
		"INSERT INTO cyrus (username, realm, !userPassword!) VALUES ('alice', 'mail.example', 'wonderland'), ('bob', 'mail.example', 'it''s bob''s'), ('dave', 'other.example', 'wonderland too')",
		"INSERT INTO cyrus (username, realm, !authPassword!) VALUES ('carol', 'mail.example', '"+sqlSecret(t, verifier.KindSCRAMSHA256, "carol", "carol's own")+"')")
	db := d.new(t, saslsql.Options{
		Select: "SELECT !%p! FROM cyrus WHERE username = '%u' AND realm = '%r';",
		Insert: "INSERT INTO cyrus (username, realm, !%p!) VALUES ('%u', '%r', '%v')",
		Update: "UPDATE cyrus SET !%p! = '%v' WHERE username = '%u' AND realm = '%r'",
		Kinds:  verifier.KindsOf(verifier.KindPassword, verifier.KindSCRAMSHA256, verifier.KindSCRAMSHA512, verifier.KindOTP),
	})
	err := verifiertest.TestVerifier(undeclared{db},
		verifiertest.User{Name: "alice", Realm: sqlRealm, Password: "wonderland"},
		verifiertest.User{Name: "bob", Realm: sqlRealm, Password: "it's bob's"},
		verifiertest.User{Name: "carol", Realm: sqlRealm, Password: "carol's own"},
		verifiertest.User{Name: "dave", Realm: "other.example", Password: "wonderland too"},
	)
	if err != nil {
		t.Error(err)
	}
}

// undeclared is a store of which nobody says that all users have everything.
type undeclared struct{ *saslsql.DB }

func (u undeclared) Coverage() verifier.Coverage {
	c := u.DB.Coverage()
	c.All = 0
	return c
}

// contractOfRows is for a table of which all is known.
func contractOfRows(t *testing.T, d *database) {
	disabled, expires := "BOOLEAN NOT NULL DEFAULT FALSE", "BIGINT"
	d.run(t, "CREATE TABLE people (name NAME NOT NULL, realm NAME NOT NULL, password TEXT, scram_sha_256 TEXT, cram_md5 TEXT, digest_md5 TEXT, otp TEXT, disabled "+disabled+", expires "+expires+", quota INTEGER, PRIMARY KEY (name, realm))",
		"INSERT INTO people (name, realm, password, quota) VALUES ('alice', 'mail.example', 'wonderland', 5), ('bob', 'mail.example', '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', NULL)",
		"INSERT INTO people (name, realm, password, disabled) VALUES ('erin', 'mail.example', 'erin''s own', TRUE)",
		fmt.Sprintf("INSERT INTO people (name, realm, password, expires) VALUES ('frank', 'mail.example', 'frank''s own', %d), ('gina', 'mail.example', 'gina''s own', %d)", time.Now().Unix()-9, time.Now().Unix()+9000),
		"INSERT INTO people (name, realm, scram_sha_256) VALUES ('carol', 'mail.example', '"+sqlSecret(t, verifier.KindSCRAMSHA256, "carol", "carol's own")+"')",
		"INSERT INTO people (name, realm, cram_md5) VALUES ('dave', 'mail.example', '"+sqlSecret(t, verifier.KindCRAMMD5, "dave", "dave's own")+"')",
		"INSERT INTO people (name, realm, digest_md5) VALUES ('hal', 'mail.example', '"+sqlSecret(t, verifier.KindDIGESTMD5, "hal", "hal's own")+"')")
	const columns = "name AS !user!, realm, password, scram_sha_256, cram_md5, digest_md5, otp, disabled, expires, quota"
	db := d.new(t, saslsql.Options{
		Select: "SELECT " + columns + " FROM people WHERE name = '%u' AND realm = '%r'",
		List:   "SELECT " + columns + " FROM people",
		Insert: "INSERT INTO people (name, realm, %p) VALUES ('%u', '%r', '%v')",
		Update: "UPDATE people SET %p = '%v' WHERE name = '%u' AND realm = '%r'",
		Delete: "DELETE FROM people WHERE name = '%u' AND realm = '%r'",
	})
	if err := db.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := db.Coverage()
	if c.Users != 6 || c.Serving([]verifier.Kind{verifier.KindSCRAMSHA256, verifier.KindPassword}) != 3 || !c.All.Has(verifier.KindCheck) || len(c.Realms) != 1 {
		t.Errorf("coverage %+v", c)
	}
	account, err := db.VerifyPassword(t.Context(), verifier.Request{User: "alice", Realm: sqlRealm}, "wonderland")
	if err != nil || fmt.Sprint(account.Attributes) != "map[quota:[5]]" {
		t.Errorf("%v, %v", account, err)
	}
	err = verifiertest.TestVerifier(otpToo{db},
		verifiertest.User{Name: "alice", Realm: sqlRealm, Password: "wonderland"},
		verifiertest.User{Name: "bob", Realm: sqlRealm, Password: "secret"},
		verifiertest.User{Name: "carol", Realm: sqlRealm, Password: "carol's own"},
		verifiertest.User{Name: "dave", Realm: sqlRealm, Password: "dave's own"},
		verifiertest.User{Name: "erin", Realm: sqlRealm, Password: "erin's own", Disabled: true},
		verifiertest.User{Name: "frank", Realm: sqlRealm, Password: "frank's own", Expired: true},
		verifiertest.User{Name: "gina", Realm: sqlRealm, Password: "gina's own"},
		verifiertest.User{Name: "hal", Realm: sqlRealm, Password: "hal's own"},
	)
	if err != nil {
		t.Error(err)
	}
}

// otpToo only makes the store's type another, to print it as wrappers do.
type otpToo struct{ *saslsql.DB }

// contractOfPairs is for a table of names and values.
func contractOfPairs(t *testing.T, d *database) {
	d.run(t, "CREATE TABLE pairs (address NAME NOT NULL, property VARCHAR(50) NOT NULL, value TEXT, PRIMARY KEY (address, property))",
		"INSERT INTO pairs VALUES ('alice@mail.example', 'userPassword', 'wonderland'), ('bob@mail.example', 'userPassword', 'bob''s own')")
	db := d.new(t, saslsql.Options{
		Select: "SELECT value FROM pairs WHERE address = '%u@%r' AND property = '%p'",
		Insert: "INSERT INTO pairs VALUES ('%u@%r', '%p', '%v')",
		Update: "UPDATE pairs SET value = '%v' WHERE address = '%u@%r' AND property = '%p'",
		Delete: "DELETE FROM pairs WHERE address = '%u@%r'",
		Kinds:  verifier.KindsOf(verifier.KindPassword, verifier.KindSCRAMSHA1, verifier.KindCRAMMD5),
	})
	err := verifiertest.TestVerifier(undeclared{db},
		verifiertest.User{Name: "alice", Realm: sqlRealm, Password: "wonderland"},
		verifiertest.User{Name: "bob", Realm: sqlRealm, Password: "bob's own"},
	)
	if err != nil {
		t.Error(err)
	}
}

func TestSQLiteContract(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	contract(t, d)
	t.Run("a row for each property", func(t *testing.T) { t.Parallel(); contractOfPairs(t, d) })
}
