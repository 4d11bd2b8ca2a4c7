package sql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// Options say where users are and how they are asked for. Servers and Select must be
// set. The statements are templates, as the package comment has them; errors call them
// by the keys of a file, sql_select and so on.
type Options struct {
	Name    string // for String and errors, such as the path of a file; "" is the dialect's name
	Dialect Dialect
	// Servers are asked in turn until one answers. Each is a pool of connections to
	// one server, opened and closed by the caller. MySQL's driver must have
	// InterpolateParams off, which is its default.
	Servers []*sql.DB

	Select string // the secrets of a user
	List   string // all users, for Refresh and Users; "" if that is not wanted

	// Insert and Update store a property of a user who has no row and of one who
	// has. Delete removes a user; without it all his secrets become NULL. Without
	// Insert and Update nothing is written.
	Insert, Update, Delete string

	// Kinds are what is served, and what users have where nobody counts them; see
	// ParseKinds. Zero is KindPassword, and with List and rows of named columns
	// whatever Refresh finds.
	Kinds verifier.Kinds
	// Scheme is that of passwords without a {SCHEME}. "" is PLAIN: they are stored
	// as they are.
	Scheme string

	// Fresh is a statement that returns how many seconds a server is behind the one
	// that is written to; "" if servers are never behind. It is asked once a second
	// at most. MaxLag is what is permitted, 0 is 5 s; a server that is farther behind, or
	// cannot say (NULL), is passed over.
	Fresh  string
	MaxLag time.Duration

	// Timeout bounds a question to one server, waiting for a connection included. 0
	// is 5 s.
	Timeout time.Duration

	// Code returns the database's code of a driver's error: an SQLSTATE, MySQL's
	// number, SQLite's result code; "" for other errors. Without it a method SQLState
	// is asked for, which PostgreSQL's drivers have. Update needs it, to tell that
	// somebody else changed the same row.
	Code func(error) string

	Check stored.Options // how hashes are computed
}

const (
	defaultTimeout = 5 * time.Second
	defaultMaxLag  = 5 * time.Second
)

// A DB is a [verifier.SecretStore] that asks databases. It may be used concurrently, and
// prints as REDACTED but for its String. It starts no goroutines but for hashes that are computed,
// and has nothing to close; the pools are the caller's.
type DB struct {
	secret.Opaque
	name    string
	dialect Dialect
	servers []*server
	code    func(error) string

	sel, list, insert, update, remove *template // nil: not set
	kinds                             verifier.Kinds
	uncounted                         bool     // kinds are not declared, but those that there may be
	properties                        []string // that are asked for one at a time; nil: rows of named columns
	scheme                            string

	checker  *stored.Checker
	decoys   decoys
	nobody   string // a name that no user has
	coverage atomic.Pointer[verifier.Coverage]
	now      func() time.Time
}

var _ verifier.SecretStore = (*DB)(nil)

// New checks the options. It does not connect: the database may start later.
func New(o Options) (*DB, error) {
	db := &DB{
		name: o.Name, dialect: o.Dialect, code: o.Code, kinds: o.Kinds, scheme: o.Scheme,
		checker: stored.NewChecker(o.Check), nobody: "saslkit-nobody-" + strings.ToLower(rand.Text()), now: time.Now,
	}
	if db.name == "" {
		db.name = o.Dialect.String()
	}
	if db.scheme == "" {
		db.scheme = "PLAIN"
	}
	if o.Timeout < 0 || o.MaxLag < 0 {
		return nil, errors.New("sql: options: a time is negative (0 is the default)")
	}
	if int(o.Dialect) >= len(dialectNames) {
		return nil, fmt.Errorf("sql: options: no %v", o.Dialect)
	}
	if err := db.statements(o); err != nil {
		return nil, err
	}
	if err := db.serve(o); err != nil {
		return nil, err
	}
	return db, nil
}

// statements reads the templates and settles what is asked for.
func (db *DB) statements(o Options) error {
	for _, s := range []struct {
		key, text, tokens, needs string
		into                     **template
	}{
		{"sql_select", o.Select, "urp", "u", &db.sel},
		{"sql_list", o.List, "", "", &db.list},
		{"sql_insert", o.Insert, "urpv", "uv", &db.insert},
		{"sql_update", o.Update, "urpv", "uv", &db.update},
		{"sql_delete", o.Delete, "ur", "u", &db.remove},
	} {
		if s.text == "" {
			continue
		}
		t, err := parse(s.key, s.text, o.Dialect, s.tokens)
		if err != nil {
			return err
		}
		for _, need := range s.needs {
			if !t.has(token(need)) {
				return fmt.Errorf("sql: %s: no %%%c (it would be about everybody)", s.key, need)
			}
		}
		*s.into = t
	}
	switch {
	case db.sel == nil:
		return errors.New("sql: sql_select is not set")
	case (db.insert == nil) != (db.update == nil):
		return errors.New("sql: one of sql_insert and sql_update has no effect without the other")
	case db.remove != nil && db.insert == nil:
		return errors.New("sql: sql_delete has no effect without sql_insert and sql_update")
	}
	return db.settleKinds()
}

// settleKinds completes the kinds: whatever a password can be compared with serves
// password checks.
func (db *DB) settleKinds() error {
	byProperty := db.sel.has(tokenProperty)
	switch {
	case db.kinds != 0:
	case db.list != nil && !byProperty:
		db.kinds, db.uncounted = verifier.AllKinds, true
	default:
		db.kinds = verifier.KindsOf(verifier.KindPassword)
	}
	if db.kinds != verifier.KindsOf(verifier.KindOTP) {
		db.kinds |= verifier.KindsOf(verifier.KindCheck)
	}
	if byProperty {
		db.properties = properties(db.kinds)
	}
	for _, t := range []*template{db.sel, db.insert, db.update} {
		if t == nil {
			continue
		}
		if !t.has(tokenProperty) && len(db.properties) > 1 {
			return fmt.Errorf("sql: %s: no %%p, but sql_kinds names kinds of several columns (write %%p for the column's name)", t.key)
		}
		for _, p := range db.properties {
			if err := t.checkProperty(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// serve sets up the servers.
func (db *DB) serve(o Options) error {
	if len(o.Servers) == 0 {
		return errors.New("sql: options: no server")
	}
	timeout, lag := o.Timeout, o.MaxLag
	if timeout == 0 {
		timeout = defaultTimeout
	}
	if lag == 0 {
		lag = defaultMaxLag
	}
	var fresh *freshness
	if o.Fresh != "" {
		t, err := parse("sql_fresh", o.Fresh, o.Dialect, "")
		if err != nil {
			return err
		}
		fresh = &freshness{query: t.query(o.Dialect, ""), most: lag}
	}
	for i, pool := range o.Servers {
		s := &server{pool: pool, number: i + 1, of: len(o.Servers), timeout: timeout}
		if fresh != nil {
			s.fresh = &freshness{query: fresh.query, most: fresh.most, turn: make(chan struct{}, 1)}
		}
		db.servers = append(db.servers, s)
	}
	return nil
}

// String returns "sql:" and the name.
func (db *DB) String() string { return "sql:" + db.name }

// Coverage implements [verifier.SecretSource]: what the options declare, or what the last
// Refresh counted. It does no I/O. Before the first Refresh, with a List and no Kinds,
// some users may have anything, and all of them nothing: PLAIN and LOGIN are offered, and
// what the site names.
func (db *DB) Coverage() verifier.Coverage {
	c := verifier.Coverage{Some: db.kinds, All: db.kinds, Users: -1}
	if db.uncounted {
		c.All = 0
	}
	if counted := db.coverage.Load(); counted != nil {
		c = *counted
	}
	if db.insert != nil {
		c.Stores = db.kinds
	}
	return c
}

// VerifyPassword implements [verifier.Verifier]. The name that the account has is that of
// the column user, if there is one. The same statements are run and one check is
// computed, whoever asks for whom: for a user who is not there one that costs what most
// of those cost who asked before.
func (db *DB) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	rec, err := db.ask(ctx, r)
	if err != nil {
		return verifier.Account{}, err
	}
	lookup, value, as := rec.state(), db.decoys.commonest(), r
	if verifier.Terminal(lookup) || lookup == nil {
		own, unusable := rec.checked()
		if unusable != nil {
			lookup = unusable
		} else {
			value, as.User, as.Realm = own, rec.account.User, rec.account.Realm
			db.decoys.count(own)
		}
	}
	match, err := db.checker.Matches(ctx, value, as, password)
	if err == nil {
		err = verifier.Conclude(lookup, match)
	}
	if err != nil {
		return verifier.Account{}, db.says(err)
	}
	return rec.account, nil
}

// LookupSecret implements [verifier.SecretSource]. Kinds that the options do not name are
// not served.
func (db *DB) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	rec, err := db.ask(ctx, r)
	if err != nil {
		return verifier.Secret{}, err
	}
	state := rec.state()
	if state != nil && !verifier.Terminal(state) {
		return verifier.Secret{}, db.says(state)
	}
	var served []verifier.Kind
	for _, k := range kinds {
		if db.kinds.Has(k) {
			served = append(served, k)
		}
	}
	s, ok := rec.lookup(served)
	if !ok {
		return verifier.Secret{}, db.says(verifier.ErrNoSecret)
	}
	return s, state
}

// says puts our name before an error.
func (db *DB) says(err error) error { return fmt.Errorf("sql: %s: %w", db.name, err) }

// isName reports whether a text can be a name in a database: PostgreSQL takes neither a
// NUL nor what is not UTF-8, and the others compare as they like.
func isName(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// named are the names of a request as values, and whether somebody can have them in
// that statement. If not they are replaced by those of nobody, so that as much is asked.
func (db *DB) named(t *template, r verifier.Request) (values, bool) {
	v := values{user: r.User, realm: r.Realm}
	if r.User != "" && isName(r.User) && isName(r.Realm) && t.readable(v) {
		return v, true
	}
	v = values{user: db.nobody}
	if isName(r.Realm) && !strings.ContainsAny(r.Realm, "@") {
		v.realm = r.Realm
	}
	return v, false
}
