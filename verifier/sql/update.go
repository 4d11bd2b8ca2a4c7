package sql

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

// ErrInDoubt matches the error of an Update that ended while it was being committed:
// the database may have stored the change or not. It matches [verifier.ErrUnavailable] too.
var ErrInDoubt = errors.New("the change may have been stored or not")

// Update implements [verifier.SecretStore]. The user is read, changed, written and read
// again in one serializable transaction, so change may run several times: whenever
// somebody else changed the same user meanwhile, be it in another process, and on the
// next server if one was lost before the commit. What does not read back as it was
// written, because a column is too short or of another character set, is undone and an
// error.
//
// All columns that hold secrets are written together, and become NULL if change leaves
// their secret out. A kind without a column is an error, as is one that the options do not
// name. The hash of a password is in the entry as a secret of KindCheck, whose value is
// the text of the column: whoever changes something else passes it on. Disabling needs a
// column of that name. Without Insert and Update the error matches
// [errors.ErrUnsupported].
func (db *DB) Update(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	if db.insert == nil {
		return db.says(fmt.Errorf("sql_insert and sql_update are not set: %w", errors.ErrUnsupported))
	}
	for _, t := range []*template{db.sel, db.insert, db.update, db.remove} {
		if t == nil {
			continue
		}
		if _, possible := db.named(t, r); !possible {
			return db.says(fmt.Errorf("%s: nobody can be called %.80q in realm %.80q", t.key, r.User, r.Realm))
		}
	}
	return db.each(ctx, func(ctx context.Context, conn *sql.Conn) error {
		wait := time.Millisecond
		for n := 1; ; n++ {
			err := db.attempt(ctx, conn, r, change)
			code := db.codeOf(err)
			if !db.dialect.isConflict(code) && !(db.dialect.isDuplicate(code) && n < maxDuplicates) {
				return err
			}
			select {
			case <-time.After(rand.N(wait)):
			case <-ctx.Done():
				return &alive{fmt.Errorf("others change the same user all the time: %w", ctx.Err())}
			}
			wait = min(2*wait, maxWait)
		}
	})
}

const (
	// maxWait is the longest pause between two attempts at a transaction.
	maxWait = 50 * time.Millisecond
	// maxDuplicates is how often a row may be there that was not when the user was
	// read. Somebody else adds a user once; a column that has to be unique and has
	// another user's value stays so.
	maxDuplicates = 5
)

// attempt runs one transaction.
//
// It is made of statements and not of a sql.Tx, whose Commit and Rollback know no
// context.
func (db *DB) attempt(ctx context.Context, conn *sql.Conn, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	committed := false
	defer func() {
		if !committed {
			abandon(ctx, conn)
		}
	}()
	for _, s := range db.dialect.begin() {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	if err := db.rewrite(ctx, conn, r, change); err != nil {
		return &alive{err}
	}
	_, err := conn.ExecContext(ctx, "COMMIT")
	switch {
	case err == nil:
		committed = true
	case !db.dialect.isConflict(db.codeOf(err)):
		return &final{fmt.Errorf("sql: %s: commit: %w: %w: %w", db.name, verifier.ErrUnavailable, ErrInDoubt, printable(err))}
	}
	return err
}

// abandon ends a transaction. A connection on which that cannot be done is closed, which
// ends it too.
func abandon(ctx context.Context, conn *sql.Conn) {
	if ctx.Err() == nil {
		if _, err := conn.ExecContext(ctx, "ROLLBACK"); err == nil {
			return
		}
	}
	conn.Raw(func(any) error { return driver.ErrBadConn })
}

// rewrite reads the user, has him changed, and writes what is different.
func (db *DB) rewrite(ctx context.Context, conn *sql.Conn, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	v := values{user: r.User, realm: r.Realm}
	rec, err := db.readNamed(ctx, conn, r, v)
	if err != nil {
		return err
	}
	before := rec.entry()
	after, err := change(rec.entry())
	if err != nil {
		return &final{err}
	}
	want, err := db.plan(rec, before, after)
	if err != nil {
		return &final{db.says(err)}
	}
	if err := db.carryOut(ctx, conn, v, rec, want); err != nil {
		return err
	}
	again, err := db.readNamed(ctx, conn, r, v)
	if err != nil {
		return err
	}
	if err := want.isIn(again); err != nil {
		return &final{fmt.Errorf("sql: %s: %w: %w", db.name, verifier.ErrUnavailable, err)}
	}
	return nil
}

// A plan is what a user's columns are to hold.
type plan struct {
	removed  bool
	texts    []string // for each holding; "": NULL
	disabled bool
}

// plan finds a column for every secret.
func (db *DB) plan(rec *record, before, after verifier.Entry) (plan, error) {
	p := plan{texts: make([]string, len(rec.holdings)), disabled: after.Disabled}
	if !after.Exists {
		p.removed, p.disabled = true, rec.disabled
		return p, nil
	}
	if after.Disabled != rec.disabled && rec.locks == "" {
		return plan{}, fmt.Errorf("an account cannot be disabled: sql_select has no column disabled: %w", errors.ErrUnsupported)
	}
	if sameSecrets(before.Secrets, after.Secrets) {
		for i, h := range rec.holdings {
			p.texts[i] = h.text
		}
		return p, nil
	}
	secrets := slices.Clone(after.Secrets)
	slices.SortStableFunc(secrets, func(a, b verifier.Secret) int { return cmp.Compare(a.Kind, b.Kind) }) // the password has the first choice
	for _, s := range secrets {
		i := -1
		for j, h := range rec.holdings {
			if p.texts[j] == "" && h.takes(s.Kind) && (i < 0 || bits.OnesCount32(uint32(h.column.holds)) < bits.OnesCount32(uint32(rec.holdings[i].column.holds))) {
				i = j
			}
		}
		if i < 0 || !db.kinds.Has(s.Kind) {
			return plan{}, fmt.Errorf("a secret of kind %q has no column (sql_kinds, sql_select): %w", s.Kind, errors.ErrUnsupported)
		}
		text, err := rec.holdings[i].column.write(s, db.scheme)
		if err != nil {
			return plan{}, err
		}
		if !isName(text) {
			return plan{}, fmt.Errorf("a secret of kind %q is not UTF-8 without NUL", s.Kind)
		}
		p.texts[i] = text
	}
	return p, nil
}

// sameSecrets reports whether two lists hold the same, in any order.
func sameSecrets(a, b []verifier.Secret) bool {
	if len(a) != len(b) {
		return false
	}
	for _, s := range a {
		if !slices.ContainsFunc(b, func(t verifier.Secret) bool { return s.Kind == t.Kind && bytes.Equal(s.Value, t.Value) }) {
			return false
		}
	}
	return true
}

// carryOut writes what differs from the plan.
func (db *DB) carryOut(ctx context.Context, conn *sql.Conn, v values, rec *record, p plan) error {
	if p.removed && db.remove != nil {
		return db.write(ctx, conn, db.remove, v)
	}
	for i, h := range rec.holdings {
		if h.text == p.texts[i] {
			continue
		}
		v.property, v.value = h.name, nil
		if p.texts[i] != "" {
			v.value = p.texts[i]
		}
		if err := db.set(ctx, conn, v, h.found); err != nil {
			return err
		}
	}
	if p.disabled != rec.disabled {
		v.property, v.value = rec.locks, p.disabled
		return db.set(ctx, conn, v, true)
	}
	return nil
}

// set stores one property. Where there was no row for it there may be one by now: of
// the property before it.
func (db *DB) set(ctx context.Context, conn *sql.Conn, v values, found bool) error {
	if !found {
		w, err := query(ctx, conn, db.sel.query(db.dialect, v.property), db.sel.args(v))
		if err != nil {
			return err
		}
		if !w.found {
			return db.write(ctx, conn, db.insert, v)
		}
	}
	return db.write(ctx, conn, db.update, v)
}

// write runs a statement that changes one user. A database repeats values in its
// errors, and among these may be a password: of what goes wrong once values are there
// only the code is told.
func (db *DB) write(ctx context.Context, conn *sql.Conn, t *template, v values) error {
	stmt, err := conn.PrepareContext(ctx, t.query(db.dialect, v.property))
	if err != nil {
		return fmt.Errorf("%s: %w", t.key, err)
	}
	defer stmt.Close()
	result, err := stmt.ExecContext(ctx, t.args(v)...)
	code := db.codeOf(err)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil && (code == "" || db.dialect.isReadOnly(code)), db.dialect.isConflict(code), db.dialect.isDuplicate(code):
		return &refused{t.key, code}
	case err != nil:
		return &final{fmt.Errorf("sql: %s: %w: %w", db.name, verifier.ErrUnavailable, &refused{t.key, code})}
	}
	several := t == db.remove && db.properties != nil // rows of one user
	if n, err := result.RowsAffected(); err == nil && n > 1 && !several {
		return &final{db.says(fmt.Errorf("%s: it changes %d rows, not one (nothing was changed)", t.key, n))}
	}
	return nil
}

// refused is an error of a statement with values, of which nothing but the code is
// kept.
type refused struct{ key, code string }

func (e *refused) Error() string {
	if e.code == "" {
		return e.key + ": the connection was lost, or the driver refuses a value"
	}
	return fmt.Sprintf("%s: the database refuses it, code %.20s (its log says more)", e.key, e.code)
}

// isIn says what a record has otherwise than planned.
func (p plan) isIn(rec *record) error {
	if p.removed && !rec.exists() {
		return nil
	}
	for i, h := range rec.holdings {
		if h.text != p.texts[i] {
			return fmt.Errorf("column %.40q does not hold what was written (too short? another character set? does sql_update match the user of sql_select?), nothing was changed", h.name)
		}
	}
	if rec.disabled != p.disabled {
		return fmt.Errorf("column %.40q does not hold what was written, nothing was changed", rec.locks)
	}
	return nil
}
