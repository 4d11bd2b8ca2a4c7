package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/saslkit/saslkit/internal/secret"
)

// A fake is a database whose answers a test decides. It takes part in a transaction
// only by counting its statements.
type fake struct {
	secret.Opaque
	mu         sync.Mutex
	answer     func(query string, args []any) ([]string, [][]any, error)
	statements []string
}

// asked returns the statements so far, and forgets them.
func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.statements
	f.statements = nil
	return all
}

func (f *fake) open(t testing.TB) *sql.DB {
	t.Helper()
	c := &fakeConnector{f: f}
	pool := sql.OpenDB(c)
	t.Cleanup(func() {
		pool.Close()
		if n := c.open.Load(); n != 0 {
			t.Errorf("%d connections are left open", n)
		}
	})
	return pool
}

// rows makes the answer of one row; no values are no row.
func rows(columns string, values ...any) func(string, []any) ([]string, [][]any, error) {
	return func(string, []any) ([]string, [][]any, error) {
		if len(values) == 0 {
			return strings.Fields(columns), nil, nil
		}
		return strings.Fields(columns), [][]any{values}, nil
	}
}

// coded is an error with a code of the database.
type coded string

func (c coded) Error() string    { return "error of the database: " + string(c) }
func (c coded) SQLState() string { return string(c) }

type fakeConnector struct {
	f    *fake
	open atomic.Int64
}

func (c *fakeConnector) Driver() driver.Driver { return nil }

func (c *fakeConnector) Connect(context.Context) (driver.Conn, error) {
	c.open.Add(1)
	return &fakeConn{c.f, c}, nil
}

type fakeConn struct {
	f    *fake
	pool *fakeConnector
}

func (c *fakeConn) Begin() (driver.Tx, error) { return nil, driver.ErrSkip }

func (c *fakeConn) Close() error {
	c.pool.open.Add(-1)
	return nil
}

func (c *fakeConn) Prepare(query string) (driver.Stmt, error) { return &fakeStmt{c, query}, nil }

func (c *fakeConn) do(ctx context.Context, query string, args []driver.NamedValue) ([]string, [][]any, error) {
	var all []any
	for _, a := range args {
		all = append(all, a.Value)
	}
	c.f.mu.Lock()
	c.f.statements = append(c.f.statements, query)
	answer := c.f.answer
	c.f.mu.Unlock()
	if answer == nil { // it hangs
		<-ctx.Done()
		return nil, nil, ctx.Err()
	}
	columns, values, err := answer(query, all)
	if err == errHangs {
		<-ctx.Done()
		err = ctx.Err()
	}
	return columns, values, err
}

// errHangs is of a statement that ends with its context.
var errHangs = errors.New("hangs")

func (c *fakeConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	columns, values, err := c.do(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return &fakeRows{columns, values}, nil
}

func (c *fakeConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	_, values, err := c.do(ctx, query, args)
	return driver.RowsAffected(len(values)), err
}

type fakeStmt struct {
	conn  *fakeConn
	query string
}

func (s *fakeStmt) Close() error                               { return nil }
func (s *fakeStmt) NumInput() int                              { return -1 }
func (s *fakeStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (s *fakeStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

func (s *fakeStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

type fakeRows struct {
	columns []string
	values  [][]any
}

func (r *fakeRows) Columns() []string { return r.columns }
func (r *fakeRows) Close() error      { return nil }

func (r *fakeRows) Next(into []driver.Value) error {
	if len(r.values) == 0 {
		return io.EOF
	}
	for i, v := range r.values[0] {
		if err, ok := v.(error); ok {
			return err
		}
		into[i] = v
	}
	r.values = r.values[1:]
	return nil
}
