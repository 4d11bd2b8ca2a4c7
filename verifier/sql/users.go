package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// A User is one of those that List lists.
type User struct {
	Account  verifier.Account
	Kinds    verifier.Kinds // what he can log in with
	Disabled bool
	Expired  bool
}

// Users yields all users with a secret, in the order of the database, from the first
// server that answers. It takes as long as the context permits, and a connection
// meanwhile. An error is the last thing that it yields: one matching
// [errors.ErrUnsupported] without List, else [verifier.ErrUnavailable].
func (db *DB) Users(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		for rec, err := range db.records(ctx) {
			if err != nil {
				yield(User{}, err)
				return
			}
			if !yield(User{rec.account, rec.kinds() & db.kinds, rec.disabled, rec.expired}, nil) {
				return
			}
		}
	}
}

// Refresh counts what the users have, for Coverage, with the statement List. Who serves
// calls it before it begins, and every few minutes. If it fails the coverage stays what
// it was.
func (db *DB) Refresh(ctx context.Context) error {
	var kinds []verifier.Kinds
	var values []stored.Value
	realms := map[string]bool{}
	for rec, err := range db.records(ctx) {
		if err != nil {
			return err
		}
		if rec.disabled || rec.expired {
			continue
		}
		kinds = append(kinds, rec.kinds()&db.kinds)
		if rec.account.Realm != "" {
			realms[rec.account.Realm] = true
		}
		if v, err := rec.checked(); err == nil && len(values) < maxSample {
			values = append(values, v)
		}
	}
	db.decoys.begin(values)
	var held []string
	if len(realms) > 0 {
		held = slices.Sorted(maps.Keys(realms))
	}
	c := verifier.Measured(kinds, held)
	db.coverage.Store(&c)
	return nil
}

// maxSample is of how many users the cost is looked at: hashes are held meanwhile.
const maxSample = 1000

// records yields what the statement List returns.
func (db *DB) records(ctx context.Context) iter.Seq2[*record, error] {
	return func(yield func(*record, error) bool) {
		if db.list == nil {
			yield(nil, db.says(fmt.Errorf("sql_list is not set: %w", errors.ErrUnsupported)))
			return
		}
		var trouble error
		for _, s := range db.servers {
			begun, err := db.listFrom(ctx, s, yield)
			if err == nil {
				return
			}
			trouble = both(trouble, fmt.Errorf("server %d of %d: sql_list: %w", s.number, s.of, printable(err)))
			if begun {
				break
			}
		}
		yield(nil, fmt.Errorf("sql: %s: %w: %w", db.name, verifier.ErrUnavailable, trouble))
	}
}

// listFrom lists the users of one server, and reports whether it has begun to.
func (db *DB) listFrom(ctx context.Context, s *server, yield func(*record, error) bool) (begun bool, err error) {
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return false, over(ctx, err)
	}
	defer conn.Close()
	if err := s.fresh.check(ctx, conn); err != nil {
		return false, over(ctx, err)
	}
	rows, err := conn.QueryContext(ctx, db.list.query(db.dialect, ""))
	if err != nil {
		return false, over(ctx, err)
	}
	defer rows.Close()
	rec, err := db.nextRecord(rows)
	for ; rec != nil; rec, err = db.nextRecord(rows) {
		begun = true
		if rec.exists() && !yield(rec, nil) {
			return true, nil
		}
	}
	return begun, over(ctx, err)
}

// nextRecord reads a row; nil at the end.
func (db *DB) nextRecord(rows *sql.Rows) (*record, error) {
	if !rows.Next() {
		return nil, rows.Err()
	}
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	w := row{columns: columns, found: true}
	if w.values, err = scan(rows, len(columns)); err != nil {
		return nil, err
	}
	rec, err := db.fromRow(verifier.Request{}, w, db.now())
	if err == nil && rec.account.User == "" {
		err = errors.New("no column user (name one so with AS)")
	}
	if err != nil {
		return nil, err
	}
	return rec, nil
}
