//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
)

// counted are the statements for a series of one-time passwords.
var counted = saslsql.Options{
	Select: "SELECT otp FROM counted WHERE name = '%u'",
	Insert: "INSERT INTO counted (name, %p) VALUES ('%u', '%v')",
	Update: "UPDATE counted SET %p = '%v' WHERE name = '%u'",
	Kinds:  verifier.KindsOf(verifier.KindOTP),
}

const firstCount = 9999

func otpAt(n int) []byte {
	return fmt.Appendf(nil, "md5\t%04d\tseed01\t0000000000000000\t00000000000000000000", n)
}

// A counter is what several servers have used of one series.
type counter struct {
	mu      sync.Mutex
	used    map[int]int // acknowledged, by how many
	inDoubt int
	broken  int // no answer, and nothing was stored
}

// use takes one password of the series, as a login does.
func (c *counter) use(ctx context.Context, db *saslsql.DB) error {
	n := 0
	err := db.Update(ctx, verifier.Request{User: "alice"}, func(e verifier.Entry) (verifier.Entry, error) {
		if len(e.Secrets) != 1 {
			return e, fmt.Errorf("%d secrets", len(e.Secrets))
		}
		if _, err := fmt.Sscanf(string(e.Secrets[0].Value), "md5\t%d", &n); err != nil {
			return e, err
		}
		e.Secrets = []verifier.Secret{{Kind: verifier.KindOTP, Value: otpAt(n - 1)}}
		return e, nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.used[n]++
	case errors.Is(err, saslsql.ErrInDoubt):
		c.inDoubt++
	case errors.Is(err, verifier.ErrUnavailable):
		c.broken++
	default:
		return err
	}
	return nil
}

// counters lets several servers use one series, each with pools of its own. The
// disturbance goes on meanwhile.
func counters(t *testing.T, d *database, disturbance func()) {
	d.run(t, "CREATE TABLE counted (name NAME PRIMARY KEY, otp TEXT)", "INSERT INTO counted VALUES ('alice', '"+string(otpAt(firstCount))+"')")
	const servers, logins, most = 4, 2, 40
	c := &counter{used: map[int]int{}}
	disturbed := make(chan struct{})
	var all sync.WaitGroup
	for range servers {
		db := d.new(t, counted)
		for range logins {
			all.Go(func() {
				for i := 0; ; i++ {
					if i >= most {
						select {
						case <-disturbed:
							return
						default:
						}
					}
					if err := c.use(t.Context(), db); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	disturbance()
	close(disturbed)
	all.Wait()
	db := d.new(t, counted)
	s, err := db.LookupSecret(t.Context(), verifier.Request{User: "alice"}, verifier.KindOTP)
	if err != nil {
		t.Fatal(err)
	}
	var last int
	fmt.Sscanf(string(s.Value), "md5\t%d", &last)
	for n, times := range c.used {
		if times != 1 || n > firstCount || n <= last {
			t.Errorf("password %d was used %d times; the series is at %d", n, times, last)
		}
	}
	if stored := firstCount - last; stored < len(c.used) || stored > len(c.used)+c.inDoubt {
		t.Errorf("%d passwords are gone, %d were acknowledged and %d in doubt", stored, len(c.used), c.inDoubt)
	}
	if len(c.used) == 0 {
		t.Error("none was acknowledged")
	}
	t.Logf("%d acknowledged (%d to %d), %d in doubt, %d without an answer", len(c.used), slices.Max(slices.Collect(maps.Keys(c.used))), last, c.inDoubt, c.broken)
}

func TestSQLiteCounter(t *testing.T) {
	t.Parallel()
	counters(t, newSQLite(t), func() {})
}

// interrupt stops a server for a while, and then kills it.
func interrupt(t *testing.T, d *database, s *peerServer, kill syscall.Signal) func() {
	return func() {
		moment := func() { time.Sleep(200 * time.Millisecond) } // of use; nothing depends on it
		moment()
		s.cmd.Process.Signal(syscall.SIGSTOP)
		moment()
		s.cmd.Process.Signal(syscall.SIGCONT)
		moment()
		s.kill(t, kill)
		s.run(t)
		await(t, d.open)
		moment()
	}
}

func counterPostgres(t *testing.T, s *postgresServer) {
	counters(t, s.database, interrupt(t, s.database, &s.peerServer, syscall.SIGQUIT))
}

func counterMaria(t *testing.T, s *mariaServer) {
	counters(t, s.database, interrupt(t, s.database, &s.peerServer, syscall.SIGKILL))
}

// A race for the same new name: both are there afterwards, one in the other's place.
func firstComers(t *testing.T, d *database) {
	t.Parallel()
	d.run(t, "CREATE TABLE comers (name NAME PRIMARY KEY, password TEXT)")
	var all sync.WaitGroup
	for i := range 6 {
		db := d.new(t, saslsql.Options{
			Select: "SELECT password FROM comers WHERE name = '%u'",
			Insert: "INSERT INTO comers (name, %p) VALUES ('%u', '%v')",
			Update: "UPDATE comers SET %p = '%v' WHERE name = '%u'",
		})
		all.Go(func() {
			for j := range 5 {
				err := db.Update(t.Context(), verifier.Request{User: strings.Repeat("x", j+1)}, func(e verifier.Entry) (verifier.Entry, error) {
					var held []byte
					if len(e.Secrets) > 0 {
						held = e.Secrets[0].Value
					}
					e.Exists, e.Secrets = true, []verifier.Secret{{Kind: verifier.KindPassword, Value: append(held, 'a'+byte(i))}}
					return e, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	rows, err := d.pool(t).Query("SELECT password FROM comers")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var password string
		if err := rows.Scan(&password); err != nil {
			t.Fatal(err)
		}
		b := []byte(password)
		if slices.Sort(b); string(b) != "abcdef" {
			t.Errorf("one is lost: %s", password)
		}
	}
	if n != 5 {
		t.Errorf("%d users", n)
	}
}
