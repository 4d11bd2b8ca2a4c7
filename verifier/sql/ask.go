package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/verifier"
)

// errSeveral is for statements that must find one user and find more.
var errSeveral = errors.New("several rows for one user (which of them counts?)")

// query runs a statement that returns one row at most.
func query(ctx context.Context, conn *sql.Conn, statement string, args []any) (row, error) {
	rows, err := conn.QueryContext(ctx, statement, args...)
	if err != nil {
		return row{}, err
	}
	defer rows.Close()
	var w row
	if w.columns, err = rows.Columns(); err != nil {
		return row{}, err
	}
	for rows.Next() {
		if w.found {
			return row{}, errSeveral
		}
		w.found = true
		if w.values, err = scan(rows, len(w.columns)); err != nil {
			return row{}, err
		}
	}
	if err := rows.Err(); err != nil {
		return row{}, err
	}
	return w, rows.Close()
}

func scan(rows *sql.Rows, columns int) ([]any, error) {
	values, into := make([]any, columns), make([]any, columns)
	for i := range values {
		into[i] = &values[i]
	}
	return values, rows.Scan(into...)
}

// ask asks what is held of a user. A user who is not there is a record that does not
// exist; an error matches verifier.ErrUnavailable.
func (db *DB) ask(ctx context.Context, r verifier.Request) (*record, error) {
	var rec *record
	err := db.each(ctx, func(ctx context.Context, conn *sql.Conn) (err error) {
		rec, err = db.read(ctx, conn, r)
		return err
	})
	return rec, err
}

// read asks on a connection.
func (db *DB) read(ctx context.Context, conn *sql.Conn, r verifier.Request) (*record, error) {
	v, possible := db.named(db.sel, r)
	rec, err := db.readNamed(ctx, conn, r, v)
	if db.dialect.isUnwritable(db.codeOf(err)) {
		possible = false
		rec, err = db.readNamed(ctx, conn, r, values{user: db.nobody})
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("sql_select: %w", err)
	case !possible:
		return &record{}, nil
	}
	return rec, nil
}

func (db *DB) readNamed(ctx context.Context, conn *sql.Conn, r verifier.Request, v values) (*record, error) {
	if db.properties == nil {
		w, err := query(ctx, conn, db.sel.query(db.dialect, ""), db.sel.args(v))
		if err != nil {
			return nil, err
		}
		return db.fromRow(r, w, db.now())
	}
	rec := &record{account: verifier.Account{User: r.User, Realm: r.Realm}}
	for _, p := range db.properties {
		h, err := db.readProperty(ctx, conn, v, p)
		if err != nil {
			return nil, err
		}
		rec.holdings = append(rec.holdings, h)
	}
	rec.read(db.scheme)
	return rec, nil
}

// readProperty asks for one of Cyrus's properties: the first column of the row.
func (db *DB) readProperty(ctx context.Context, conn *sql.Conn, v values, property string) (holding, error) {
	v.property = property
	w, err := query(ctx, conn, db.sel.query(db.dialect, property), db.sel.args(v))
	if err != nil {
		return holding{}, fmt.Errorf("property %s: %w", property, err)
	}
	h := holding{column: secretColumn(property), name: property, found: w.found}
	if w.found && len(w.values) > 0 {
		h.text = textOf(w.values[0])
	}
	return h, nil
}

// codeOf is the database's code of an error, "" for none.
func (db *DB) codeOf(err error) string {
	if err == nil {
		return ""
	}
	var r *refused
	if errors.As(err, &r) {
		return r.code
	}
	if db.code != nil {
		return db.code(err)
	}
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

// maxText bounds what is repeated of a driver's error, in bytes.
const maxText = 300

// printable makes an error of a driver one of a line: databases quote the names that
// they were asked for as they are. The errors of contexts stay what they are.
func printable(err error) error {
	text := err.Error()
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, text)
	if len(clean) > maxText {
		clean = strings.ToValidUTF8(clean[:maxText], "") + "…"
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), clean == text:
		return err
	}
	return errors.New(clean)
}
