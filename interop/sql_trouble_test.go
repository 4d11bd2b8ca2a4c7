//go:build linux

package interop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// simple are the statements for a table of one user.
var simple = saslsql.Options{
	Select: "SELECT password FROM simple WHERE name = '%u'",
	Insert: "INSERT INTO simple (name, %p) VALUES ('%u', '%v')",
	Update: "UPDATE simple SET %p = '%v' WHERE name = '%u'",
}

func makeSimple(t *testing.T, d *database) {
	t.Helper()
	d.run(t, "CREATE TABLE simple (name NAME PRIMARY KEY, password TEXT)", "INSERT INTO simple VALUES ('alice', 'wonderland')")
}

func asAlice(ctx context.Context, v verifier.Verifier, password string) error {
	_, err := v.VerifyPassword(ctx, verifier.Request{User: "alice"}, password)
	return err
}

// untilAnswer waits for an answer.
func untilAnswer(t *testing.T, v verifier.Verifier, password string, want error) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := asAlice(ctx, v, password)
		cancel()
		if err == nil && want == nil || want != nil && errors.Is(err, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v, want %v", err, want)
		}
	}
}

// stalled: a server that hangs costs so many a timeout each, and nobody behind another
// verifier anything; when it goes on so do we. After enough timeouts it is spared.
func stalled(t *testing.T, d *database, calls int, signal func(syscall.Signal)) {
	o := simple
	o.Timeout = 200 * time.Millisecond
	db := d.new(t, o)
	patient := d.new(t, simple)
	for _, v := range []verifier.Verifier{db, patient} {
		untilAnswer(t, v, "wonderland", nil)
	}
	signal(syscall.SIGSTOP)
	defer signal(syscall.SIGCONT)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := asAlice(ctx, patient, "wonderland"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("with a context that ends: %v", err)
	}
	spared := false
	for n := 0; n < calls && !spared; n++ {
		err := asAlice(t.Context(), db, "wonderland")
		if !errors.Is(err, verifier.ErrUnavailable) {
			t.Fatalf("while the server hangs: %v", err)
		}
		spared = strings.Contains(err.Error(), "not asked for some seconds")
	}
	if spared != (calls >= enough) {
		t.Errorf("after %d timeouts at most the server is spared: %v", calls, spared)
	}
	err := db.Update(t.Context(), verifier.Request{User: "alice"}, func(e verifier.Entry) (verifier.Entry, error) { return e, nil })
	if !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("update: %v", err)
	}
	other := verifiertest.NewMemory(verifiertest.User{Name: "alice", Password: "elsewhere"})
	if err := asAlice(t.Context(), verifier.Chain(db, other), "elsewhere"); err != nil {
		t.Errorf("in another store: %v", err)
	}
	signal(syscall.SIGCONT)
	untilAnswer(t, db, "wonderland", nil)
	untilAnswer(t, patient, "wonderland", nil)
}

// enough is more timeouts than a server is given, also where some come too late to count.
const enough = 100

// restarted: while the server is down there is no answer, and then there is.
func restarted(t *testing.T, d *database, stop, start func()) {
	db := d.new(t, simple)
	if err := asAlice(t.Context(), db, "wonderland"); err != nil {
		t.Fatal(err)
	}
	stop()
	for _, password := range []string{"wonderland", "wrong"} {
		if err := asAlice(t.Context(), db, password); !errors.Is(err, verifier.ErrUnavailable) || verifier.Refused(err) {
			t.Errorf("while it is down: %v", err)
		}
	}
	start()
	untilAnswer(t, db, "wonderland", nil)
	untilAnswer(t, db, "wrong", verifier.ErrWrongPassword)
}

// full: a role that has no connection left.
func full(t *testing.T, d *database, limited func() (*sql.DB, error)) {
	holder, err := limited()
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	conn, err := holder.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pool, err := limited()
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	o := simple
	o.Servers = []*sql.DB{pool}
	db := d.new(t, o)
	for range 8 { // more than would shut the server out
		if err := asAlice(t.Context(), db, "wonderland"); !errors.Is(err, verifier.ErrUnavailable) || strings.Contains(err.Error(), "not asked") {
			t.Errorf("without a connection: %v", err)
		}
	}
	conn.Close()
	holder.Close()
	untilAnswer(t, db, "wonderland", nil)
}

// send sends a signal to processes, and waits until all their threads stand still if
// that is what it says. One that has ended stays a zombie while its parent stands still.
func send(t *testing.T, signal syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		syscall.Kill(pid, signal)
	}
	if signal != syscall.SIGSTOP {
		return
	}
	asktest.Until(t, "the server stands still", func() bool {
		for _, pid := range pids {
			threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
			for _, name := range threads {
				stat, err := os.ReadFile(name)
				_, state, _ := strings.Cut(string(stat), ") ")
				if err == nil && !strings.HasPrefix(state, "T") && !strings.HasPrefix(state, "Z") {
					return false
				}
			}
		}
		return true
	})
}

// signal sends a signal to the server and to its connections' processes.
func (s *postgresServer) signal(t *testing.T) func(syscall.Signal) {
	t.Helper()
	rows, err := s.pool(t).Query("SELECT pid FROM pg_stat_activity")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := []int{s.cmd.Process.Pid}
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			t.Fatal(err)
		}
		all = append(all, pid)
	}
	return func(signal syscall.Signal) {
		send(t, signal, all...)
	}
}

func troublePostgres(t *testing.T, s *postgresServer) {
	t.Run("stalled", func(t *testing.T) {
		var all func(syscall.Signal)
		stalled(t, s.database, enough, func(signal syscall.Signal) {
			if signal == syscall.SIGSTOP {
				all = s.signal(t)
			}
			all(signal)
		})
	})
	t.Run("out of connections", func(t *testing.T) {
		s.database.run(t, "CREATE ROLE limited LOGIN CONNECTION LIMIT 1", "GRANT SELECT ON simple TO limited")
		full(t, s.database, func() (*sql.DB, error) {
			return sql.Open("pgx", strings.Replace(s.source, "user="+postgresAdmin, "user=limited", 1))
		})
	})
	t.Run("restarted", func(t *testing.T) {
		restarted(t, s.database, func() { s.kill(t, syscall.SIGINT) }, func() { s.peerServer.run(t); await(t, s.open) })
	})
}

func troubleMaria(t *testing.T, s *mariaServer) {
	t.Run("stalled", func(t *testing.T) {
		stalled(t, s.database, 1, func(signal syscall.Signal) { send(t, signal, s.cmd.Process.Pid) })
	})
	t.Run("out of connections", func(t *testing.T) {
		s.database.run(t, "CREATE USER limited@localhost WITH MAX_USER_CONNECTIONS 1", "GRANT SELECT ON mysql.simple TO limited@localhost")
		full(t, s.database, func() (*sql.DB, error) {
			c, err := mysql.ParseDSN(s.source)
			if err != nil {
				return nil, err
			}
			c.User = "limited"
			return sql.Open("mysql", c.FormatDSN())
		})
	})
	t.Run("restarted", func(t *testing.T) {
		restarted(t, s.database, func() { s.kill(t, syscall.SIGTERM) }, func() { s.run(t); await(t, s.open) })
	})
}
