package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

const (
	testSelect = "SELECT password FROM users WHERE name = '%u' AND realm = '%r'"
	testInsert = "INSERT INTO users (name, realm, %p) VALUES ('%u', '%r', '%v')"
	testUpdate = "UPDATE users SET %p = '%v' WHERE name = '%u' AND realm = '%r'"
)

var alice = verifier.Request{User: "alice", Realm: "mail.example"}

func newDB(t testing.TB, o Options, fakes ...*fake) *DB {
	t.Helper()
	if o.Select == "" {
		o.Select = testSelect
	}
	o.Dialect = PostgreSQL
	for _, f := range fakes {
		o.Servers = append(o.Servers, f.open(t))
	}
	db, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// bcrypt and sha512 are of "secret".
const bcrypt = "$2y$05$VyxSCzk5lojeL5/yxmt1z.JaGUCAcJCWJ6fjoYJVtxAdJ4Hfyc.Fi"

func TestRows(t *testing.T) {
	t.Parallel()
	past, future := time.Unix(1e9, 0), time.Unix(9e9, 0)
	for _, c := range []struct {
		name     string
		columns  string
		values   []any
		password string
		want     error // nil: logged in
	}{
		{"password", "password", []any{"secret"}, "secret", nil},
		{"password as bytes", "password", []any{[]byte("secret")}, "secret", nil},
		{"wrong password", "password", []any{"secret"}, "other", verifier.ErrWrongPassword},
		{"no row", "password", nil, "secret", verifier.ErrNoUser},
		{"NULL", "password", []any{nil}, "secret", verifier.ErrNoUser},
		{"empty", "password", []any{""}, "", verifier.ErrNoUser},
		{"deleted by Cyrus", "password", []any{"NULL"}, "NULL", verifier.ErrNoUser},
		{"a password like that word", "password", []any{"null"}, "null", nil},
		{"that word, meant so", "password", []any{"{PLAIN}NULL"}, "NULL", nil},
		{"deleted by Cyrus but for keys", "scram_sha_256 otp password", []any{scram256(t, "secret"), "md5\t0499\tvm3333\t2b2b2ef89c2e8954\t00000000000000000000", "NULL"}, "secret", verifier.ErrNoUser},
		{"a password without the keys that Cyrus cleared", "password authPassword", []any{"secret", "NULL"}, "secret", nil},
		{"keys that Cyrus cleared", "authPassword otp", []any{"NULL", []byte("NULL")}, "NULL", verifier.ErrNoUser},
		{"a single column of another name", "pw", []any{"secret"}, "secret", nil},
		{"Cyrus's name", "USERPASSWORD quota", []any{"secret", int64(5)}, "secret", nil},
		{"a scheme", "password", []any{"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="}, "secret", nil},
		{"a scheme is not a password", "password", []any{"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="}, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", verifier.ErrWrongPassword},
		{"a bare hash", "password", []any{bcrypt}, "secret", nil},
		{"a bare hash is not a password", "password", []any{bcrypt}, bcrypt, verifier.ErrWrongPassword},
		{"a hash that nobody knows", "password", []any{"$zz$abcdefghijklmnopqrstuvwxyz"}, "$zz$abcdefghijklmnopqrstuvwxyz", verifier.ErrNoSecret},
		{"a password with dollars", "password", []any{"$a$b"}, "$a$b", nil},
		{"an unknown scheme", "password", []any{"{ROT13}frperg"}, "secret", verifier.ErrNoSecret},
		{"password before keys", "scram_sha_256 password", []any{"nonsense", "secret"}, "secret", nil},
		{"broken keys", "scram_sha_256 otp", []any{"nonsense", nil}, "secret", verifier.ErrNoSecret},
		{"keys of another hash", "scram_sha_1 otp", []any{scram256(t, "secret"), nil}, "secret", verifier.ErrNoSecret},
		{"SCRAM keys", "scram_sha_256 otp", []any{scram256(t, "secret"), nil}, "secret", nil},
		{"SCRAM keys as Cyrus has them", "authPassword otp", []any{" " + scram256(t, "secret") + " ", nil}, "secret", nil},
		{"only an OTP series", "otp x", []any{"md5\t0499\tvm3333\t2b2b2ef89c2e8954\t00000000000000000000", nil}, "secret", verifier.ErrNoSecret},
		{"disabled", "password disabled", []any{"secret", true}, "secret", verifier.ErrDisabled},
		{"disabled with a wrong password", "password disabled", []any{"secret", true}, "other", verifier.ErrWrongPassword},
		{"disabled as a number", "password disabled", []any{"secret", int64(1)}, "secret", verifier.ErrDisabled},
		{"disabled as a bit", "password disabled", []any{"secret", []byte{1}}, "secret", verifier.ErrDisabled},
		{"disabled as a letter", "password disabled", []any{"secret", "t"}, "secret", verifier.ErrDisabled},
		{"enabled as a bit", "password disabled", []any{"secret", []byte{0}}, "secret", nil},
		{"enabled as NULL", "password disabled", []any{"secret", nil}, "secret", nil},
		{"neither enabled nor disabled", "password disabled", []any{"secret", "perhaps"}, "secret", verifier.ErrUnavailable},
		{"expired", "password expires", []any{"secret", past}, "secret", verifier.ErrExpired},
		{"expired with a wrong password", "password expires", []any{"secret", past}, "other", verifier.ErrWrongPassword},
		{"expires", "password expires", []any{"secret", future}, "secret", nil},
		{"expired in seconds", "password expires", []any{"secret", int64(1e9)}, "secret", verifier.ErrExpired},
		{"expired as text", "password expires", []any{"secret", []byte("2001-09-09 01:46:40")}, "secret", verifier.ErrExpired},
		{"expired on a day", "password expires", []any{"secret", "2001-09-09"}, "secret", verifier.ErrExpired},
		{"expires never", "password expires", []any{"secret", nil}, "secret", nil},
		{"expires some day", "password expires", []any{"secret", "tomorrow"}, "secret", verifier.ErrUnavailable},
		{"no secret among the columns", "name quota", []any{"alice", int64(5)}, "secret", verifier.ErrUnavailable},
		{"two columns of a name", "password PASSWORD", []any{"secret", "other"}, "secret", verifier.ErrUnavailable},
		{"no name of his own", "password user", []any{"secret", nil}, "secret", verifier.ErrUnavailable},
		{"an error in the middle", "password", []any{errors.New("gone")}, "secret", verifier.ErrUnavailable},
		{"a value too long", "password", []any{strings.Repeat("x", 9000)}, strings.Repeat("x", 9000), verifier.ErrNoSecret},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t, Options{}, &fake{answer: rows(c.columns, c.values...)})
			a, err := db.VerifyPassword(t.Context(), alice, c.password)
			if c.want == nil && (err != nil || a.User != "alice" || a.Realm != "mail.example") {
				t.Errorf("%v, %v", a, err)
			}
			if c.want != nil && (!errors.Is(err, c.want) || a.User != "") {
				t.Errorf("%v, %v, want %v", a, err, c.want)
			}
		})
	}
}

func scram256(t testing.TB, password string) string {
	t.Helper()
	return scramRecord(t, verifier.KindSCRAMSHA256, password)
}

func TestAccount(t *testing.T) {
	t.Parallel()
	db := newDB(t, Options{}, &fake{answer: rows("password User realm Quota home", "secret", "Alice", "other.example", int64(5), nil)})
	want := verifier.Account{User: "Alice", Realm: "other.example", Attributes: map[string][]string{"Quota": {"5"}}}
	a, err := db.VerifyPassword(t.Context(), alice, "secret")
	if diff := cmp.Diff(want, a); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	s, err := db.LookupSecret(t.Context(), alice, verifier.KindPassword)
	if diff := cmp.Diff(want, s.Account); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestSeveralRows(t *testing.T) {
	t.Parallel()
	db := newDB(t, Options{}, &fake{answer: func(string, []any) ([]string, [][]any, error) {
		return []string{"password"}, [][]any{{"secret"}, {"secret"}}, nil
	}})
	if _, err := db.VerifyPassword(t.Context(), alice, "secret"); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "several rows") {
		t.Error(err)
	}
}

// TestErrors: no error of the database is an answer, and none shows what could be a
// secret or breaks a line.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, err := range []error{coded("42703"), coded("22021"), errors.New("no such user \x1b[31m\r\n\xff"), sql.ErrNoRows, driverText(5000)} {
		db := newDB(t, Options{Name: "test"}, &fake{answer: func(string, []any) ([]string, [][]any, error) { return nil, nil, err }})
		_, got := db.VerifyPassword(t.Context(), alice, "secret")
		if !errors.Is(got, verifier.ErrUnavailable) || verifier.Refused(got) {
			t.Errorf("%v: %v", err, got)
		}
		if text := got.Error(); strings.ContainsAny(text, "\r\n\x1b") || !utf8.ValidString(text) || len(text) > 500 || !strings.HasPrefix(text, "sql: test: ") {
			t.Errorf("%q", text)
		}
	}
}

type driverText int

func (n driverText) Error() string { return strings.Repeat("x", int(n)) }

// TestUntranslatable: a name that the database's character set has not is nobody's, if
// only the name is to blame.
func TestUntranslatable(t *testing.T) {
	t.Parallel()
	odd := func(all bool) *fake {
		return &fake{answer: func(_ string, args []any) ([]string, [][]any, error) {
			if all || args[0] == "żółw" {
				return nil, nil, coded("22P05")
			}
			return []string{"password"}, nil, nil
		}}
	}
	r := verifier.Request{User: "żółw", Realm: "mail.example"}
	if _, err := newDB(t, Options{}, odd(false)).VerifyPassword(t.Context(), r, "x"); !errors.Is(err, verifier.ErrNoUser) {
		t.Error(err)
	}
	if _, err := newDB(t, Options{}, odd(true)).VerifyPassword(t.Context(), r, "x"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}
}

// TestWork: whoever is asked for, the same statements are run and one check is computed.
func TestWork(t *testing.T) {
	t.Parallel()
	f := &fake{answer: func(_ string, args []any) ([]string, [][]any, error) {
		if args[0] == "alice" {
			return []string{"password"}, [][]any{{bcrypt}}, nil
		}
		return []string{"password"}, nil, nil
	}}
	var costs []string
	db := newDB(t, Options{Check: stored.Options{Parallel: 1, Observer: func(cost string) { costs = append(costs, cost) }}}, f)
	var want []string
	for i, name := range []string{"alice", "nobody", "", "al\x00ice", "al\xffice", "alice\x00"} {
		_, err := db.VerifyPassword(t.Context(), verifier.Request{User: name, Realm: "mail.example"}, "wrong")
		if !verifier.Refused(err) {
			t.Errorf("%q: %v", name, err)
		}
		if asked := f.asked(); i == 0 {
			want = asked
		} else if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
	if len(costs) != 6 || len(slices.Compact(costs)) != 1 {
		t.Errorf("checks: %v", costs)
	}
}

// TestProperties: Cyrus's way, a statement for each property.
func TestProperties(t *testing.T) {
	t.Parallel()
	f := &fake{answer: func(query string, _ []any) ([]string, [][]any, error) {
		switch {
		case strings.Contains(query, "authPassword"):
			return []string{"x"}, [][]any{{scram256(t, "secret")}}, nil
		case strings.Contains(query, "userPassword"):
			return []string{"x"}, [][]any{{nil}}, nil
		}
		return []string{"x"}, nil, nil
	}}
	kinds, err := ParseKinds("password scram-sha-256 scram-sha-1 OTP")
	if err != nil {
		t.Fatal(err)
	}
	db := newDB(t, Options{Select: `SELECT "%p" FROM users WHERE name = '%u@%r'`, Kinds: kinds}, f)
	s, err := db.LookupSecret(t.Context(), alice, verifier.KindPassword, verifier.KindSCRAMSHA1, verifier.KindSCRAMSHA256)
	if err != nil || s.Kind != verifier.KindSCRAMSHA256 {
		t.Errorf("%v, %v", s.Kind, err)
	}
	var want []string
	for _, p := range []string{"userPassword", "authPassword", "scram_sha_1", "cmusaslsecretOTP"} {
		want = append(want, `SELECT "`+p+`" FROM users WHERE name = $1`)
	}
	if diff := cmp.Diff(want, f.asked()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What is not declared is not served.
	only := newDB(t, Options{Select: `SELECT "%p" FROM users WHERE name = '%u@%r'`}, f)
	if _, err := only.LookupSecret(t.Context(), alice, verifier.KindSCRAMSHA256); !verifier.Refused(err) {
		t.Error(err)
	}
	if c := only.Coverage(); c.All != verifier.KindsOf(verifier.KindPassword) || c.Users != -1 {
		t.Errorf("%+v", c)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	pool := (&fake{}).open(t)
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no statement", Options{}, "sql_select is not set"},
		{"no server", Options{Select: testSelect}, "no server"},
		{"everybody", Options{Select: "SELECT password FROM users", Servers: []*sql.DB{pool}}, "sql_select: no %u"},
		{"update of everybody", Options{Select: testSelect, Insert: testInsert, Update: "UPDATE users SET %p = '%v'", Servers: []*sql.DB{pool}}, "sql_update: no %u"},
		{"insert alone", Options{Select: testSelect, Insert: testInsert, Servers: []*sql.DB{pool}}, "sql_insert and sql_update"},
		{"delete alone", Options{Select: testSelect, Delete: "DELETE FROM users WHERE name = '%u'", Servers: []*sql.DB{pool}}, "sql_delete has no effect"},
		{"value in a select", Options{Select: "SELECT '%v' FROM users WHERE name = '%u'", Servers: []*sql.DB{pool}}, "%v has no meaning"},
		{"name that wants quotes", Options{Select: "SELECT %p FROM users WHERE name = '%u'", Kinds: verifier.KindsOf(verifier.KindCRAMMD5), Servers: []*sql.DB{pool}}, "not in quotes"},
		{"one column for several kinds", Options{
			Select: "SELECT %p FROM users WHERE name = '%u'", Kinds: verifier.KindsOf(verifier.KindPassword, verifier.KindOTP),
			Insert: "INSERT INTO users VALUES ('%u', '%v')", Update: "UPDATE users SET password = '%v' WHERE name = '%u'", Servers: []*sql.DB{pool},
		}, "sql_insert: no %p"},
		{"broken freshness", Options{Select: testSelect, Fresh: "SELECT '", Servers: []*sql.DB{pool}}, "sql_fresh: byte 7"},
		{"negative", Options{Select: testSelect, Timeout: -1, Servers: []*sql.DB{pool}}, "negative"},
		{"no such dialect", Options{Select: testSelect, Dialect: 9, Servers: []*sql.DB{pool}}, "no dialect 9"},
	} {
		if db, err := New(c.o); err == nil || db != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := ParseKinds("password scram"); err == nil {
		t.Error("a kind that does not exist")
	}
	if _, err := ParseKinds(" "); err == nil {
		t.Error("no kinds")
	}
}

// TestServers: the next one is asked if one cannot answer, and not if it can.
func TestServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := &fake{answer: func(string, []any) ([]string, [][]any, error) { return nil, nil, coded("57P03") }}
		hangs, up, other := &fake{}, &fake{answer: rows("password", "secret")}, &fake{answer: rows("password", "other")}
		db := newDB(t, Options{Timeout: 50 * time.Millisecond}, down, hangs, up, other)
		for range 7 {
			if _, err := db.VerifyPassword(t.Context(), alice, "secret"); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(hangs.asked()); n != 5 {
			t.Errorf("the one that hangs was asked %d times, want 5", n)
		}
		if n := len(down.asked()); n != 7 {
			t.Errorf("the one that says it is down was asked %d times, want 7", n)
		}
		if n := len(other.asked()); n != 0 {
			t.Errorf("the last one was asked %d times", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := db.VerifyPassword(ctx, alice, "secret"); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestFresh(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		behind any
		want   string
	}{
		{int64(0), ""}, {5.0, ""}, {[]byte("4.9"), ""}, {"-1", ""},
		{int64(6), "6 s behind"}, {nil, "does not know"}, {"soon", "not a number"}, {"NaN", "not a number"},
	} {
		f := &fake{answer: func(query string, _ []any) ([]string, [][]any, error) {
			if query == "SELECT lag" {
				return []string{"lag"}, [][]any{{c.behind}}, nil
			}
			return []string{"password"}, [][]any{{"secret"}}, nil
		}}
		db := newDB(t, Options{Fresh: "SELECT lag"}, f)
		_, err := db.VerifyPassword(t.Context(), alice, "secret")
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v", c.behind, err)
		}
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	var broken error
	f := &fake{answer: func(query string, _ []any) ([]string, [][]any, error) {
		return strings.Fields("user realm password scram_sha_256 disabled"), [][]any{
			{"alice", "mail.example", "secret", nil, nil},
			{"bob", "mail.example", nil, scram256(t, "bob's"), false},
			{"carol", "other.example", bcrypt, nil, nil},
			{"dave", "gone.example", "secret", nil, true},
			{"erin", "mail.example", nil, nil, nil},
		}, broken
	}}
	db := newDB(t, Options{List: "SELECT * FROM users"}, f)
	if c := db.Coverage(); c.Users != -1 || c.All != 0 || !c.Some.Has(verifier.KindOTP) {
		t.Errorf("before, when nothing is known: %+v", c)
	}
	declared := newDB(t, Options{List: "SELECT * FROM users", Kinds: verifier.KindsOf(verifier.KindPassword)}, f)
	if c := declared.Coverage(); c.All != verifier.KindsOf(verifier.KindPassword) {
		t.Errorf("before, when it is declared: %+v", c)
	}
	want := verifier.Measured([]verifier.Kinds{
		verifier.KindsOf(verifier.KindPassword), verifier.KindsOf(verifier.KindCheck, verifier.KindSCRAMSHA256), verifier.KindsOf(verifier.KindCheck),
	}, []string{"mail.example", "other.example"})
	if err := db.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, db.Coverage()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var listed []string
	for u, err := range db.Users(t.Context()) {
		listed = append(listed, fmt.Sprint(u.Account.User, " ", u.Kinds, " ", u.Disabled, " ", err))
	}
	wantUsers := []string{"alice password check, password false <nil>", "bob password check, SCRAM-SHA-256 keys false <nil>", "carol password check false <nil>", "dave password check, password true <nil>"}
	if diff := cmp.Diff(wantUsers, listed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range db.Users(t.Context()) {
		break // and nothing is left open
	}
	broken = coded("57P03")
	if err := db.Refresh(t.Context()); !errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}
	if diff := cmp.Diff(want, db.Coverage()); diff != "" {
		t.Errorf("after a failure (-want +got):\n%s", diff)
	}
	for _, err := range newDB(t, Options{}, f).Users(t.Context()) {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	}
}
