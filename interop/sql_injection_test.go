//go:build linux

package interop

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"

	"github.com/saslkit/saslkit/verifier"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
)

// hostileTexts are every byte, and what has broken out of quotes somewhere.
func hostileTexts() []string {
	all := []string{
		"' OR 1=1 --", "' OR '1'='1", `\'`, `\' OR 1=1 #`, `\\'`, `";--`, `" OR ""="`, "`", "'; DROP TABLE hostile; --", "''", "'", "''''",
		"$1", "$$", "$a$", "?", "??", ":1", "@x", "%s", "%u", "%r", "%v", "%p", "%%", "%", "_", "%u' OR '1'='1", "*", "/*", "*/", "--", "#",
		"\xbf\x27", "\xbf\x5c\x27", "\x81\x27", "縗'", "誠'", "¥'", "ʼ", "＇", "\u2019", "é", "e\u0301", "É", "ß", "ss", "K", "\u212a", "😀",
		"\u0130", "\u00a0", "\u200b", "\u202e", "\ufeff", "\ufffd", "\U0010ffff", "{PLAIN}x", "{x", "SCRAM-SHA-256$x", "$2y$05$VyxSCzk5lojeL5/yxmt1z.JaGUCAcJCWJ6fjoYJVtxAdJ4Hfyc.Fi",
		"NULL", "null", "0", "00", "0e0", "1", "1.0", "true", " x", "x ", "x", "X", "x\x00", "x\x00y", "\x00", "x\n", "\x1a", strings.Repeat("'", 200), strings.Repeat("\\", 199) + "'",
		strings.Repeat("ż", 127), "\xc0\xa7", "\xed\xa0\x80", "a\xff", "\xf4\x90\x80\x80",
	}
	for b := range 256 {
		all = append(all, string([]byte{byte(b)}))
	}
	seen := map[string]bool{}
	unique := all[:0]
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			unique = append(unique, s)
		}
	}
	return unique
}

func wellFormed(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// A siege is what has been set in a table so far.
type siege struct {
	db   *saslsql.DB
	want map[siegeKey]string
}

type siegeKey struct{ name, realm string }

// set sets a password.
func (s *siege) set(t *testing.T, k siegeKey, password string) error {
	err := s.db.Update(t.Context(), verifier.Request{User: k.name, Realm: k.realm}, func(verifier.Entry) (verifier.Entry, error) {
		return verifier.Entry{Exists: true, Secrets: []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte(password)}}}, nil
	})
	if err == nil {
		s.want[k] = password
	}
	return err
}

// check logs in.
func (s *siege) check(t *testing.T, k siegeKey, password string) error {
	a, err := s.db.VerifyPassword(t.Context(), verifier.Request{User: k.name, Realm: k.realm}, password)
	if err == nil && (a.User != k.name || a.Realm != k.realm) {
		return fmt.Errorf("account %q in %q", a.User, a.Realm)
	}
	return err
}

// besieged is the password of the user "user" in realm "realm".
const besieged = "guarded"

// injection uses every text as a user, a realm and a password, and looks what is in the
// table afterwards.
func injection(t *testing.T, d *database, o saslsql.Options, writable func(string) bool) {
	s := &siege{d.new(t, o), map[siegeKey]string{}}
	first := siegeKey{"user", "realm"}
	if err := s.set(t, first, besieged); err != nil {
		t.Fatal(err)
	}
	for _, text := range hostileTexts() {
		s.use(t, siegeKey{text, "realm"}, text, text, writable(text))
		if len(text) > 1 || text < "\x80" || d.dialect == saslsql.SQLite { // no text in UTF-8 is one of the other bytes
			s.use(t, siegeKey{"user", text}, fmt.Sprintf("secret-%.100q", text), text, writable(text))
		}
	}
	if err := s.check(t, first, besieged); err != nil {
		t.Errorf("the first user: %v", err)
	}
	s.compare(t, d)
}

// use looks for somebody who is not there, adds him, and looks what he has.
func (s *siege) use(t *testing.T, k siegeKey, password, text string, writable bool) {
	if err := s.check(t, k, besieged); !errors.Is(err, verifier.ErrNoUser) {
		t.Errorf("%+q before it is there: %v", k, err)
	}
	err := s.set(t, k, password)
	switch {
	case !wellFormed(text):
		if err == nil || errors.Is(err, verifier.ErrUnavailable) {
			t.Errorf("%+q is set: %v", k, err)
		}
		return
	case !writable:
		if err == nil {
			t.Errorf("%+q is set although it cannot be", k)
		}
		return
	case err != nil:
		t.Errorf("%+q: %v", k, err)
		return
	}
	held, err := s.db.LookupSecret(t.Context(), verifier.Request{User: k.name, Realm: k.realm}, verifier.KindPassword)
	if err != nil || string(held.Value) != password || held.Account.User != k.name || held.Account.Realm != k.realm {
		t.Errorf("%+q has another password or name than was set: %v", k, err)
	}
	if err := s.check(t, k, besieged); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("%+q with another's: %v", k, err)
	}
}

// compare holds the table against what was set.
func (s *siege) compare(t *testing.T, d *database) {
	rows, err := d.pool(t).Query("SELECT name, realm, password FROM hostile")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, realm, password []byte
		if err := rows.Scan(&name, &realm, &password); err != nil {
			t.Fatal(err)
		}
		k := siegeKey{string(name), string(realm)}
		if w, ok := s.want[k]; !ok || string(password) != w && string(password) != "{PLAIN}"+w {
			t.Errorf("the table has %+q with another password than was set, %v", k, ok)
		}
		delete(s.want, k)
	}
	for k := range s.want {
		t.Errorf("%+q is not in the table", k)
	}
}

// hostile are the statements for a table of the name.
var hostile = saslsql.Options{
	Select: "SELECT name AS !user!, realm, password FROM hostile WHERE name = '%u' AND realm = '%r'",
	Insert: "INSERT INTO hostile (name, realm, %p) VALUES ('%u', '%r', '%v')",
	Update: "UPDATE hostile SET %p = '%v' WHERE name = '%u' AND realm = '%r'",
}

const hostileTable = "CREATE TABLE hostile (name NAME NOT NULL, realm NAME NOT NULL, password TEXT)"

func everything(string) bool { return true }

func TestSQLiteInjection(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	d.run(t, hostileTable)
	injection(t, d, hostile, everything)
}

func injectionPostgres(t *testing.T, d *database) {
	t.Parallel()
	d.run(t, hostileTable)
	injection(t, d, hostile, everything)
}

func injectionMaria(t *testing.T, d *database) {
	t.Parallel()
	d.run(t, hostileTable)
	injection(t, d, hostile, everything)
}

// injectionLatin1 is for a PostgreSQL whose database has no Unicode.
func injectionLatin1(t *testing.T, d *database) {
	t.Parallel()
	d.run(t, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
	latin := *d
	latin.open = func() (*sql.DB, error) {
		return sql.Open("pgx", strings.Replace(d.source, "dbname=postgres", "dbname=latin", 1)+" client_encoding=UTF8")
	}
	latin.run(t, hostileTable)
	injection(t, &latin, hostile, func(s string) bool {
		return strings.IndexFunc(s, func(r rune) bool { return r > 0xff }) < 0
	})
}

// injectionGBK is for the character set in which a quote can hide behind another byte,
// in the table and on the connection.
func injectionGBK(t *testing.T, d *database) {
	t.Parallel()
	d.run(t, "CREATE DATABASE gbk CHARACTER SET gbk")
	gbk := *d
	gbk.key, gbk.text = "VARCHAR(255) COLLATE gbk_nopad_bin", "VARCHAR(255)"
	open := func(charset string) func() (*sql.DB, error) {
		return func() (*sql.DB, error) {
			c, err := mysql.ParseDSN(d.source)
			if err != nil {
				return nil, err
			}
			c.DBName = "gbk"
			if err := c.Apply(mysql.Charset(charset, "")); err != nil {
				return nil, err
			}
			connector, err := mysql.NewConnector(c)
			if err != nil {
				return nil, err
			}
			return sql.OpenDB(connector), nil
		}
	}
	gbk.open = open("utf8mb4")
	gbk.run(t, hostileTable)
	pool := gbk.pool(t)
	injection(t, &gbk, hostile, func(s string) (has bool) {
		const same = "SELECT CAST(CONVERT(CONVERT(? USING gbk) USING utf8mb4) AS BINARY) = CAST(? AS BINARY)"
		if err := pool.QueryRow(same, s, s).Scan(&has); err != nil {
			t.Error(err)
		}
		return has
	})
	// On a connection of that character set names are read as something else, but
	// never as those of others.
	gbk.open = open("gbk")
	db := gbk.new(t, hostile)
	for _, text := range hostileTexts() {
		if _, err := db.VerifyPassword(t.Context(), verifier.Request{User: text, Realm: "realm"}, besieged); err == nil {
			t.Errorf("%+q has somebody's password", text)
		}
	}
}
