//go:build linux

package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/saslauthd"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
)

// replica copies a server and follows it.
func (s *postgresServer) replica(t *testing.T) *postgresServer {
	t.Helper()
	r := newPostgresDir(t)
	s.postgres.run(t, s.command(postgresProgram(t, "pg_basebackup"), "--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--wal-method=stream",
		"--host="+s.postgres.dir, "--port="+s.port, "--username="+postgresAdmin, "--pgdata="+filepath.Join(r.postgres.dir, "data")))
	r.begin(t, "hot_standby=on")
	return r
}

// heartbeat is a statement that says how many seconds a replica is behind.
const heartbeat = "SELECT CASE WHEN pg_is_in_recovery() THEN extract(epoch FROM clock_timestamp() - (SELECT at FROM heartbeat)) ELSE 0 END"

// TestPostgresReplica: a replica answers while it is not far behind. When it is, the
// next server is asked, and alone it is unavailable; a password that was changed
// meanwhile is never the right one again.
func TestPostgresReplica(t *testing.T) {
	t.Parallel()
	primary := newPostgresServer(t, "wal_level=replica", "max_wal_senders=3")
	makeSimple(t, primary.database)
	// Ahead of time: the replica counts as fresh whatever the machine does.
	primary.database.run(t, "CREATE TABLE heartbeat (at timestamptz)", "INSERT INTO heartbeat VALUES (now() + interval '1 hour')")
	replica := primary.replica(t)
	open := func(servers ...*postgresServer) *saslsql.DB {
		o := simple
		o.Fresh = heartbeat
		for _, s := range servers {
			o.Servers = append(o.Servers, s.pool(t))
		}
		return primary.new(t, o)
	}
	alone, both := open(replica), open(replica, primary)
	untilAnswer(t, alone, "wonderland", nil)
	untilAnswer(t, both, "wonderland", nil)

	// Written on the primary, whoever comes first.
	change := func(password string) {
		t.Helper()
		err := both.Update(t.Context(), verifier.Request{User: "alice"}, func(e verifier.Entry) (verifier.Entry, error) {
			e.Secrets = []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte(password)}}
			return e, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	change("second")
	untilAnswer(t, alone, "second", nil)
	if err := alone.Update(t.Context(), verifier.Request{User: "alice"}, func(e verifier.Entry) (verifier.Entry, error) {
		e.Secrets = nil
		return e, nil
	}); !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, saslsql.ErrInDoubt) {
		t.Errorf("written to a replica: %v", err)
	}

	// It falls behind.
	primary.database.run(t, "UPDATE heartbeat SET at = now() - interval '1 minute'")
	untilAnswer(t, alone, "second", verifier.ErrUnavailable)
	replica.database.run(t, "SELECT pg_wal_replay_pause()")
	change("third")
	primary.database.run(t, "UPDATE heartbeat SET at = now() + interval '1 hour'")
	if err := asAlice(t.Context(), alone, "second"); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "behind") {
		t.Errorf("of a replica that is behind: %v", err)
	}
	untilAnswer(t, both, "third", nil)
	if err := asAlice(t.Context(), both, "second"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}
	replica.database.run(t, "SELECT pg_wal_replay_resume()")
	untilAnswer(t, alone, "third", nil)
	if err := asAlice(t.Context(), alone, "second"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}

	commandAndReplica(t, replica, primary)
}

// commandAndReplica: the command asks a server in recovery only if it may.
func commandAndReplica(t *testing.T, replica, primary *postgresServer) {
	command := saslkitCommand(t)
	hosts := func(servers ...*postgresServer) string {
		var all []string
		for _, s := range servers {
			all = append(all, s.postgres.dir+":"+s.port)
		}
		return fmt.Sprintf("sql_engine: pgsql\nsql_hostnames: %s\nsql_user: %s\nsql_database: postgres\nsql_select: %s\n", strings.Join(all, ", "), postgresAdmin, simple.Select)
	}
	for _, c := range []struct{ name, conf, want string }{
		{"replica", hosts(replica), "no reason=unavailable"},
		{"replica and primary", hosts(replica, primary), "ok user=alice"},
		{"replica that may answer", hosts(replica) + "sql_replicas: yes\nsql_fresh: " + heartbeat + "\n", "ok user=alice"},
	} {
		if out := checkAlice(t, command, c.conf, "third"); !strings.Contains(out, c.want) {
			t.Errorf("%s: %s", c.name, out)
		}
	}
}

// checkAlice is what saslkit check says with a file of sql_ keys.
func checkAlice(t *testing.T, command, conf, password string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sql.conf")
	writeFile(t, file, []byte(conf))
	out, _ := feed(exec.Command(command, "check", "--verifier", "sql:"+file, "--realm", "", "--password-stdin", "alice"), password+"\n").CombinedOutput()
	return string(out)
}

// certificates: TLS that is asked for is with the server whose CA is known, or not at
// all.
func certificates(t *testing.T, command, engine, port, user, name, right string) {
	other, err := selfSigned(ecdsaKey)
	if err != nil {
		t.Fatal(err)
	}
	wrong := siteTLS(t, other).pem
	for _, c := range []struct{ name, host, keys, want string }{
		{"the right CA", "127.0.0.1", "sql_usessl: yes\nsql_ssl_ca: " + right, "ok user=alice"},
		{"another CA", "127.0.0.1", "sql_usessl: yes\nsql_ssl_ca: " + wrong, "no reason=unavailable"},
		{"the system's CAs", "127.0.0.1", "sql_usessl: yes", "no reason=unavailable"},
		{"another name", "127.0.0.2", "sql_usessl: yes\nsql_ssl_ca: " + right, "no reason=unavailable"},
		{"nobody's word", "127.0.0.1", "sql_usessl: yes\nsql_ssl_verify: no", "ok user=alice"},
	} {
		conf := fmt.Sprintf("sql_engine: %s\nsql_hostnames: %s:%s\nsql_user: %s\nsql_passwd: canary-of-mine\nsql_database: %s\nsql_select: %s\n%s\n", engine, c.host, port, user, name, simple.Select, c.keys)
		out := checkAlice(t, command, conf, "wonderland")
		told := strings.HasPrefix(c.want, "ok") || strings.Contains(out, "certificate")
		if !told || !strings.Contains(out, c.want) || strings.Contains(out, "canary") || strings.Contains(out, "wonderland") {
			t.Errorf("%s: %s", c.name, out)
		}
	}
}

// daemons: what is changed in the database is in force at the next login, at every
// daemon.
func daemons(t *testing.T, command string, s *postgresServer) {
	conf := filepath.Join(t.TempDir(), "sql.conf")
	writeFile(t, conf, []byte(s.conf+"sql_select: "+simple.Select+"\n"))
	var asked []verifier.Verifier
	for range 2 {
		asked = append(asked, startOurs(t, command, "--verifier", "sql:"+conf))
	}
	for i := range 10 {
		old, changed := fmt.Sprintf("password-%d", i), fmt.Sprintf("password-%d", i+1)
		if i == 0 {
			old = "wonderland"
		}
		s.database.run(t, "UPDATE simple SET password = '"+changed+"' WHERE name = 'alice'")
		for n, v := range asked {
			if err := asAlice(t.Context(), v, old); !verifier.Refused(err) {
				t.Errorf("daemon %d: the old password: %v", n, err)
			}
			if err := asAlice(t.Context(), v, changed); err != nil {
				t.Errorf("daemon %d: the new password: %v", n, err)
			}
		}
	}
	s.database.run(t, "UPDATE simple SET password = 'wonderland' WHERE name = 'alice'")
}

// startOurs runs saslkit serve until the test ends, and asks it as saslauthd.
func startOurs(t *testing.T, command string, args ...string) verifier.Verifier {
	t.Helper()
	dir, err := os.MkdirTemp("", "saslkit-sql-") // sockets want short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cmd := exec.Command(command, append([]string{"serve", "--mux", dir, "--limit", "off"}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := peers.End(cmd, syscall.SIGTERM); err != nil || strings.Contains(said.String(), "password-") {
			t.Errorf("saslkit serve: %v\n%s", err, said.String())
		}
	})
	socket := filepath.Join(dir, "mux")
	asktest.Until(t, "our daemon listens", func() bool { _, err := os.Stat(socket); return err == nil })
	v, err := saslauthd.New(saslauthd.Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// BenchmarkSQLLogin is a login with the right password.
func BenchmarkSQLLogin(b *testing.B) {
	postgres, maria := newPostgresServer(b), newMariaServer(b)
	for _, d := range []*database{newSQLite(b), postgres.database, maria.database} {
		b.Run(d.dialect.String(), func(b *testing.B) {
			d.run(b, "CREATE TABLE simple (name NAME PRIMARY KEY, password TEXT)", "INSERT INTO simple VALUES ('alice', 'wonderland')")
			db := d.new(b, simple)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := db.VerifyPassword(b.Context(), verifier.Request{User: "alice"}, "wonderland"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
