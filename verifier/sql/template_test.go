package sql

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplate(t *testing.T) {
	t.Parallel()
	v := values{user: "al'ice", realm: "mail.example", property: "prop", value: "se'cret"}
	for _, c := range []struct {
		name, text string
		dialect    Dialect
		query      string
		args       []any
	}{
		{"quoted tokens", "SELECT password FROM users WHERE name = '%u' AND realm = '%r'", PostgreSQL,
			"SELECT password FROM users WHERE name = $1 AND realm = $2", []any{"al'ice", "mail.example"}},
		{"one literal of two", "SELECT password FROM users WHERE name = '%u@%r';", MySQL,
			"SELECT password FROM users WHERE name = ?", []any{"al'ice@mail.example"}},
		{"bare tokens", "SELECT password FROM users WHERE name=%u AND realm=%r ; ", SQLite,
			"SELECT password FROM users WHERE name= ? AND realm= ?", []any{"al'ice", "mail.example"}},
		{"digits behind a token", "SELECT f(%u5)", PostgreSQL, "SELECT f( $1 5)", []any{"al'ice"}},
		{"property", "SELECT %p FROM users WHERE name='%u'", MySQL, "SELECT prop FROM users WHERE name= ?", []any{"al'ice"}},
		{"property in quotes", `SELECT "%p" FROM users WHERE name='%u'`, PostgreSQL, `SELECT "prop" FROM users WHERE name= $1`, []any{"al'ice"}},
		{"property in backquotes", "SELECT `%p` FROM users WHERE name='%u'", MySQL, "SELECT `prop` FROM users WHERE name= ?", []any{"al'ice"}},
		{"property in brackets", "SELECT [%p] FROM users WHERE name='%u'", SQLite, "SELECT [prop] FROM users WHERE name= ?", []any{"al'ice"}},
		{"property as a value", "SELECT value FROM props WHERE name='%u' AND property='%p'", PostgreSQL,
			"SELECT value FROM props WHERE name= $1 AND property= $2", []any{"al'ice", "prop"}},
		{"doubled quotes", "SELECT 'it''s' FROM u WHERE n = 'x''%u''y'", SQLite, "SELECT 'it''s' FROM u WHERE n = ?", []any{"x'al'ice'y"}},
		{"doubled quotes of names", `SELECT "a""%p" FROM u WHERE n = '%u'`, SQLite, `SELECT "a""prop" FROM u WHERE n = ?`, []any{"al'ice"}},
		{"percent signs", "SELECT 5 %% 2, '100%%', '%%%u' FROM u", MySQL, "SELECT 5 % 2, '100%', ? FROM u", []any{"%al'ice"}},
		{"strings in double quotes", `SELECT "it's", "%u" FROM u`, MySQL, `SELECT "it's", ? FROM u`, []any{"al'ice"}},
		{"value", "UPDATE u SET %p = '%v' WHERE n = '%u'", PostgreSQL, "UPDATE u SET prop = $1 WHERE n = $2", []any{"se'cret", "al'ice"}},
		{"casts", "SELECT a::text FROM u WHERE n = '%u'::citext", PostgreSQL, "SELECT a::text FROM u WHERE n = $1 ::citext", []any{"al'ice"}},
		{"backslash in SQLite", `SELECT '\' FROM u WHERE n = '\%u'`, SQLite, `SELECT '\' FROM u WHERE n = ?`, []any{`\al'ice`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := parse("sql_select", c.text, c.dialect, "urpv")
			if err != nil {
				t.Fatal(err)
			}
			if got := p.query(c.dialect, v.property); got != c.query {
				t.Errorf("query %q, want %q", got, c.query)
			}
			if diff := cmp.Diff(c.args, p.args(v)); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTemplateNull(t *testing.T) {
	t.Parallel()
	p, err := parse("sql_update", "UPDATE u SET %p = '%v', x = '{PLAIN}%v' WHERE n = '%u'", MySQL, "urpv")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{nil, nil, "alice"}, p.args(values{user: "alice"})); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{true, "{PLAIN}true", "alice"}, p.args(values{user: "alice", value: true})); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func TestTemplateRefused(t *testing.T) {
	t.Parallel()
	all := []Dialect{SQLite, PostgreSQL, MySQL}
	for _, c := range []struct {
		name, text string
		dialects   []Dialect
		offset     int
		reason     string
	}{
		{"nothing", " ; ", all, 0, "empty"},
		{"comment to the end of the line", "SELECT 1 -- %u", all, 9, "comment"},
		{"comment", "SELECT /* '%u' */ 1", all, 7, "comment"},
		{"MySQL's comment", "SELECT 1 # %u", []Dialect{MySQL}, 9, "comment"},
		{"two statements", "SELECT '%u'; DROP TABLE users", all, 11, "second statement"},
		{"two ends", "SELECT '%u';;", all, 11, "second statement"},
		{"open quote", "SELECT 1 WHERE n = '%u", all, 19, "not closed"},
		{"open name", `SELECT "x`, all, 7, "not closed"},
		{"open bracket", "SELECT [x", []Dialect{SQLite}, 7, "not closed"},
		{"backslash before a quote", `SELECT 1 WHERE n = '\' OR n = '%u'`, []Dialect{PostgreSQL, MySQL}, 20, "backslash"},
		{"backslash outside", `SELECT \N`, all, 7, "backslash"},
		{"dollar quotes", "SELECT $$%u$$", []Dialect{PostgreSQL, SQLite}, 7, "outside of quotes"},
		{"dollar quotes with a tag", "SELECT $a$%u$a$", []Dialect{PostgreSQL}, 7, "outside of quotes"},
		{"E string", "SELECT E'%u'", all, 8, "another kind of string"},
		{"Unicode string", "SELECT U&'%u'", all, 9, "another kind of string"},
		{"charset introducer", "SELECT _gbk'%u'", all, 11, "another kind of string"},
		{"own placeholder", "SELECT 1 WHERE n = ?", []Dialect{SQLite, MySQL}, 19, "outside of quotes"},
		{"numbered placeholder", "SELECT 1 WHERE n = $1", []Dialect{PostgreSQL, SQLite}, 19, "outside of quotes"},
		{"named placeholder", "SELECT 1 WHERE n = :n", []Dialect{SQLite}, 19, "outside of quotes"},
		{"unknown token", "SELECT 1 WHERE n LIKE 'a%'", all, 24, "%' has no meaning"},
		{"unknown letter", "SELECT '%d'", all, 8, "known: %u %r"},
		{"token at the end", "SELECT %", all, 7, "% at the end"},
		{"user as a name", `SELECT "%u"`, []Dialect{SQLite, PostgreSQL}, 10, "quotes of names"},
		{"user as a name in backquotes", "SELECT `%u`", []Dialect{SQLite, MySQL}, 10, "quotes of names"},
		{"backquotes in PostgreSQL", "SELECT `%p`", []Dialect{PostgreSQL}, 7, "outside of quotes"},
		{"property as text or name", `SELECT "%p"`, []Dialect{MySQL}, 10, "sql_mode"},
		{"tokens without anything between", "SELECT '%u%r'", all, 7, "nothing between"},
		{"pattern", "SELECT 1 WHERE n LIKE '%u'", all, 22, "pattern"},
		{"bare pattern", "SELECT 1 WHERE n ilike (%u)", all, 26, "pattern"},
		{"regular expression", "SELECT 1 WHERE n ~* '%u'", []Dialect{PostgreSQL}, 20, "pattern"},
		{"NUL", "SELECT '\x00%u'", all, 0, "UTF-8"},
		{"not UTF-8", "SELECT '\xbf%u'", all, 0, "UTF-8"},
		{"long", strings.Repeat("x", maxTemplate+1), all, 0, "8192"},
	} {
		for _, d := range c.dialects {
			t.Run(c.name+" "+d.String(), func(t *testing.T) {
				t.Parallel()
				p, err := parse("sql_select", c.text, d, "urp")
				var e *TemplateError
				if !errors.As(err, &e) || p != nil {
					t.Fatalf("%v, %v", p, err)
				}
				if e.Key != "sql_select" || e.Offset != c.offset || !strings.Contains(e.Reason, c.reason) {
					t.Errorf("%v, want byte %d and %q", err, c.offset, c.reason)
				}
			})
		}
	}
}

// TestReadable: what is composed of two names is that of one user only.
func TestReadable(t *testing.T) {
	t.Parallel()
	p, err := parse("sql_select", "SELECT 1 WHERE a = '%u@%r' AND b = '%u'", SQLite, "ur")
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]bool{"alice": true, "a@b": false, "@": false, "a b": true} {
		if got := p.readable(values{user: user, realm: "mail@example"}); got != want {
			t.Errorf("%q: %v", user, got)
		}
	}
}

// FuzzTemplate: what is read and written again reads the same; no token is ever in the
// text of a statement; every dialect has as many places for values as there are values.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"SELECT %p FROM users WHERE name = '%u' AND realm='%r';", `SELECT "%p" FROM u WHERE a='%u@%r'`,
		"UPDATE u SET `%p`='%v' WHERE n=%u", "SELECT '', '''' , 'a''%u', [x%p], 1 %% 2", "SELECT E'%u'", "--", "$$%u$$", `"'%u'"`, "'%%'%u%v%r'%%'",
	} {
		for d := range byte(3) {
			f.Add(text, d)
		}
	}
	f.Fuzz(func(t *testing.T, text string, dialect byte) {
		d := Dialect(dialect % 3)
		p, err := parse("k", text, d, "urpv")
		if err != nil {
			var e *TemplateError
			if p != nil || !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text) {
				t.Fatalf("%v, %v", p, err)
			}
			return
		}
		again, err := parse("k", p.String(), d, "urpv")
		if err != nil {
			if len(p.String()) > maxTemplate {
				return
			}
			t.Fatalf("%q: %v", p, err)
		}
		if again.String() != p.String() || !reflect.DeepEqual(p, again) {
			t.Fatalf("%q is %#v, was %#v", p, again, p)
		}
		const canary = "qzx"
		v := values{user: canary + "'u", realm: canary + "'r", property: "PROP", value: canary + "'v"}
		query, args := p.query(d, v.property), p.args(v)
		bound := 0
		for _, piece := range p.pieces {
			if piece.bound != nil {
				bound++
			}
		}
		if len(args) != bound {
			t.Fatalf("%d values for %d places", len(args), bound)
		}
		if strings.Contains(query, canary) && !strings.Contains(text, canary) {
			t.Fatalf("a value is in %q", query)
		}
		if d != PostgreSQL && strings.Count(outside(query, d), "?") != bound || d == PostgreSQL && strings.Count(outside(query, d), "$") != bound {
			t.Fatalf("%q has not %d places", query, bound)
		}
	})
}

// outside is what of a statement is outside of quotes, read in another way than the
// parser's: quotes that close and open at once are those of one string.
func outside(query string, d Dialect) string {
	var b strings.Builder
	var end byte
	for i := range len(query) {
		c := query[i]
		switch {
		case end != 0:
			if c == end {
				end = 0
			}
		case c == '\'', c == '"', c == '`' && d != PostgreSQL:
			end = c
		case c == '[' && d == SQLite:
			end = ']'
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
