package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/saslkit/saslkit/internal/breaker"
	"github.com/saslkit/saslkit/verifier"
)

// A server is a pool of connections, and what is known of how it does.
type server struct {
	pool    *sql.DB
	number  int // from 1
	of      int
	timeout time.Duration
	breaker breaker.Breaker
	fresh   *freshness // nil: it is never behind
}

// ask puts a question that needs one connection. Only that there was no answer in time
// counts against the server: a connection that is refused costs nobody anything, and a
// name must not be able to shut the others out by an error of its own.
func (s *server) ask(ctx context.Context, question func(context.Context, *sql.Conn) error) (err error) {
	done, err := s.breaker.Ask()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	defer func() {
		var answered *alive
		done(errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &answered))
	}()
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return over(ctx, err)
	}
	defer conn.Close()
	if err := s.fresh.check(ctx, conn); err != nil {
		return over(ctx, err)
	}
	return over(ctx, question(ctx, conn))
}

// over says of an error that the time is up, if it is: drivers have many words for that.
func over(ctx context.Context, err error) error {
	var end *final
	if err == nil || ctx.Err() == nil || errors.As(err, &end) || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("no answer: %w", ctx.Err())
}

// An alive error is of a server that has answered, if not to the end: somebody else may
// hold a lock on the row, which is no reason to spare the server.
type alive struct{ err error }

func (a *alive) Error() string { return a.err.Error() }
func (a *alive) Unwrap() error { return a.err }

// A final error is one that no other server is asked after.
type final struct{ err error }

func (f *final) Error() string { return f.err.Error() }
func (f *final) Unwrap() error { return f.err }

// each asks the servers in turn until one answers.
func (db *DB) each(ctx context.Context, question func(context.Context, *sql.Conn) error) error {
	var trouble error
	for _, s := range db.servers {
		if err := ctx.Err(); err != nil {
			trouble = both(trouble, err)
			break
		}
		err := s.ask(ctx, question)
		var end *final
		switch {
		case err == nil:
			return nil
		case errors.As(err, &end):
			return end.err
		case s.of > 1:
			err = fmt.Errorf("server %d of %d: %w", s.number, s.of, printable(err))
		}
		trouble = both(trouble, printable(err))
	}
	return fmt.Errorf("sql: %s: %w: %w", db.name, verifier.ErrUnavailable, trouble)
}

// both joins two errors on one line.
func both(a, b error) error {
	if a == nil {
		return b
	}
	return fmt.Errorf("%w; %w", a, b)
}

// freshness says whether a server is not too far behind.
type freshness struct {
	query string
	most  time.Duration
	turn  chan struct{} // room for one who looks; he who has it may touch the rest
	asked time.Time     // the last time that it was answered
	err   error
}

// recheck is how long an answer holds.
const recheck = time.Second

// check fails if the server is too far behind.
func (f *freshness) check(ctx context.Context, conn *sql.Conn) error {
	if f == nil {
		return nil
	}
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !f.asked.IsZero() && time.Since(f.asked) < recheck {
		return f.err
	}
	begun := time.Now()
	w, err := query(ctx, conn, f.query, nil)
	if err != nil {
		return fmt.Errorf("sql_fresh: %w", err)
	}
	f.asked, f.err = begun, f.judge(w)
	return f.err
}

// judge reads the answer.
func (f *freshness) judge(w row) error {
	if !w.found || len(w.values) != 1 || w.values[0] == nil {
		return errors.New("sql_fresh: the server does not know how far it is behind")
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(textOf(w.values[0])), 64)
	switch {
	case err != nil || seconds != seconds:
		return errors.New("sql_fresh: the answer is not a number of seconds")
	case seconds > f.most.Seconds():
		return fmt.Errorf("sql_fresh: the server is %.0f s behind, more than %v", seconds, f.most)
	}
	return nil
}
