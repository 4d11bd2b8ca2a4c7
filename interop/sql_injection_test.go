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

// injection uses every text as a user, a realm and a password, and looks what is in the
// table afterwards.
func injection(t *testing.T, d *database, o saslsql.Options, writable func(string) bool) {
	db := d.new(t, o)
	type key struct{ name, realm string }
	want := map[key]string{}
	set := func(name, realm, password string) error {
		return db.Update(t.Context(), verifier.Request{User: name, Realm: realm}, func(e verifier.Entry) (verifier.Entry, error) {
			return verifier.Entry{Exists: true, Secrets: []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte(password)}}}, nil
		})
	}
	check := func(name, realm, password string) error {
		a, err := db.VerifyPassword(t.Context(), verifier.Request{User: name, Realm: realm}, password)
		if err == nil && (a.User != name || a.Realm != realm) {
			return fmt.Errorf("account %q in %q", a.User, a.Realm)
		}
		return err
	}
	if err := set("user", "realm", "guarded"); err != nil {
		t.Fatal(err)
	}
	want[key{"user", "realm"}] = "guarded"
	for i, text := range hostileTexts() {
		password := fmt.Sprintf("secret-%d", i)
		as := []key{{text, "realm"}, {"user", text}}
		if len(text) == 1 {
			as = as[:1] // a realm is bound as a user is
		}
		for _, k := range as {
			if err := check(k.name, k.realm, "guarded"); !errors.Is(err, verifier.ErrNoUser) {
				t.Errorf("%+q before it is there: %v", k, err)
			}
			err := set(k.name, k.realm, password)
			switch {
			case !wellFormed(text):
				if err == nil || errors.Is(err, verifier.ErrUnavailable) {
					t.Errorf("%+q is set: %v", k, err)
				}
				continue
			case !writable(text):
				if err == nil {
					t.Errorf("%+q is set although it cannot be", k)
				}
				continue
			case err != nil:
				t.Errorf("%+q: %v", k, err)
				continue
			}
			want[k] = password
			if err := check(k.name, k.realm, password); err != nil {
				t.Errorf("%+q with its password: %v", k, err)
			}
			if err := check(k.name, k.realm, "guarded"); !errors.Is(err, verifier.ErrWrongPassword) {
				t.Errorf("%+q with another's: %v", k, err)
			}
		}
		k := key{fmt.Sprintf("number-%d", i), "realm"}
		if err := set(k.name, k.realm, text); (err == nil) != (wellFormed(text) && writable(text)) {
			t.Errorf("password %+q: %v", text, err)
		} else if err == nil {
			want[k] = text
			s, err := db.LookupSecret(t.Context(), verifier.Request{User: k.name, Realm: k.realm}, verifier.KindPassword)
			if err != nil || string(s.Value) != text {
				t.Errorf("password %+q is another when it is read: %v", text, err)
			}
		}
	}
	if err := check("user", "realm", "guarded"); err != nil {
		t.Errorf("the first user: %v", err)
	}
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
		k := key{string(name), string(realm)}
		if w, ok := want[k]; !ok || string(password) != w && string(password) != "{PLAIN}"+w {
			t.Errorf("the table has %+q with another password than was set, %v", k, ok)
		}
		delete(want, k)
	}
	for k := range want {
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
		if _, err := db.VerifyPassword(t.Context(), verifier.Request{User: text, Realm: "realm"}, "guarded"); err == nil {
			t.Errorf("%+q has somebody's password", text)
		}
	}
}
