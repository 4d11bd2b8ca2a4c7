//go:build linux

package interop

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"github.com/saslkit/saslkit/internal/peers"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
)

// A database is a real one, for as long as a test runs.
type database struct {
	dialect saslsql.Dialect
	quote   string // of names
	text    string // a type for secrets
	key     string // a type for names, which are compared byte by byte
	source  string // as the driver has it
	open    func() (*sql.DB, error)
	conf    string // the sql_ keys that lead there
}

// pool is a pool of its own for a test.
func (d *database) pool(t testing.TB) *sql.DB {
	t.Helper()
	db, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	t.Cleanup(func() { db.Close() })
	return db
}

// run runs statements with all rights, in which !name! is a name in quotes, TEXT and
// NAME are types.
func (d *database) run(t testing.TB, statements ...string) {
	t.Helper()
	db := d.pool(t)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), d.spelled(s)); err != nil {
			t.Fatalf("%s: %v", d.spelled(s), err)
		}
	}
}

// spelled is a statement in the dialect.
func (d *database) spelled(statement string) string {
	return strings.NewReplacer("!", d.quote, "TEXT", d.text, "NAME", d.key).Replace(statement)
}

// new is a verifier over pools of its own.
func (d *database) new(t testing.TB, o saslsql.Options) *saslsql.DB {
	t.Helper()
	if o.Servers == nil {
		o.Servers = []*sql.DB{d.pool(t)}
	}
	o.Dialect, o.Code, o.Timeout = d.dialect, sqlCode, cmp.Or(o.Timeout, patience)
	for _, s := range []*string{&o.Select, &o.List, &o.Insert, &o.Update, &o.Delete} {
		*s = d.spelled(*s)
	}
	db, err := saslsql.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// sqlCode is the code of an error of the three drivers.
func sqlCode(err error) string {
	var state interface{ SQLState() string }
	var lite *sqlite.Error
	var my *mysql.MySQLError
	switch {
	case errors.As(err, &my):
		return strconv.Itoa(int(my.Number))
	case errors.As(err, &lite):
		return strconv.Itoa(lite.Code())
	case errors.As(err, &state):
		return state.SQLState()
	}
	return ""
}

// newSQLite is a file with a write-ahead log, as a site with traffic has it.
func newSQLite(t testing.TB) *database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users?.db")
	d := &database{
		dialect: saslsql.SQLite, quote: `"`, text: "TEXT", key: "TEXT",
		open: func() (*sql.DB, error) {
			return sql.Open("sqlite", "file:"+strings.ReplaceAll(path, "?", "%3f")+"?_pragma=busy_timeout(2000)&_pragma=synchronous(OFF)")
		},
		conf: "sql_engine: sqlite3\nsql_database: " + path + "\n",
	}
	d.run(t, "PRAGMA journal_mode=WAL")
	return d
}

// A peerServer is a database server of our own.
type peerServer struct {
	dir   string // short, and for the server's user to enter
	start func() *exec.Cmd
	cmd   *exec.Cmd
	log   string
}

// run starts the server, which is stopped when the test ends.
func (s *peerServer) run(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = s.start()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the server at once, as the loss of power does, and waits for its end.
func (s *peerServer) kill(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := peers.End(s.cmd, signal); errors.Is(err, peers.ErrKilled) {
		t.Errorf("%s: %v", s.cmd.Path, err)
	}
	s.cmd = nil
	if t.Failed() {
		said, _ := os.ReadFile(s.log)
		t.Logf("%s:\n%s", s.log, said)
	}
}

// await waits until a pool can be used.
func await(t testing.TB, open func() (*sql.DB, error)) {
	t.Helper()
	db, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := db.PingContext(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the server does not answer: %v", err)
		}
	}
}

// A postgresServer is a private PostgreSQL, reached by its socket without a password,
// and by TLS on loopback.
type postgresServer struct {
	*database
	peerServer
	*postgres
}

// newPostgresServer runs a server with options in the form of postgres -c.
func newPostgresServer(t testing.TB, options ...string) *postgresServer {
	t.Helper()
	initdb := postgresProgram(t, "initdb")
	s := newPostgresDir(t)
	s.postgres.run(t, s.command(initdb, "--no-sync", "--username="+postgresAdmin, "--encoding=UTF8", "--locale=C", "--auth=trust",
		"--pgdata="+filepath.Join(s.postgres.dir, "data")))
	writeFile(t, filepath.Join(s.postgres.dir, "data/pg_hba.conf"), []byte("local all all trust\nlocal replication all trust\nhostssl all all 127.0.0.0/8 trust\n"))
	s.begin(t, options...)
	return s
}

// newPostgresDir is a server without a cluster.
func newPostgresDir(t testing.TB) *postgresServer {
	t.Helper()
	program := postgresProgram(t, "postgres")
	dir, err := os.MkdirTemp("", "saslkit-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &postgres{dir: dir, port: freePort(t), tls: labTLS(t)}
	cert, key := p.copy(t, p.tls.pem), p.copy(t, p.tls.key)
	p.disown(t, ".", cert, key)
	source := fmt.Sprintf("host=%s port=%s user=%s dbname=postgres", dir, p.port, postgresAdmin)
	s := &postgresServer{
		postgres:   p,
		peerServer: peerServer{dir: dir, log: filepath.Join(dir, "log")},
		database: &database{
			dialect: saslsql.PostgreSQL, quote: `"`, text: "text", key: "text",
			source: source, open: func() (*sql.DB, error) { return sql.Open("pgx", source) },
			conf: fmt.Sprintf("sql_engine: pgsql\nsql_hostnames: %s:%s\nsql_user: %s\nsql_database: postgres\n", dir, p.port, postgresAdmin),
		},
	}
	s.peerServer.start = func() *exec.Cmd { return s.command(program) }
	return s
}

// begin starts the server and waits for it.
func (s *postgresServer) begin(t testing.TB, options ...string) {
	t.Helper()
	args := []string{"-D", filepath.Join(s.postgres.dir, "data"), "-k", s.postgres.dir, "-p", s.port}
	for _, o := range append([]string{
		"listen_addresses=127.0.0.1,127.0.0.2", "ssl=on", "ssl_cert_file=../" + filepath.Base(s.tls.pem), "ssl_key_file=../" + filepath.Base(s.tls.key),
		"fsync=off", "shared_buffers=4MB",
	}, options...) {
		args = append(args, "-c", o)
	}
	program := postgresProgram(t, "postgres")
	s.peerServer.start = func() *exec.Cmd { return s.command(program, args...) }
	s.peerServer.run(t)
	t.Cleanup(func() { s.kill(t, syscall.SIGINT) })
	await(t, s.open)
}

// A mariaServer is a private MariaDB, reached by its socket without a password.
type mariaServer struct {
	*database
	peerServer
	port string
	tls  *testTLS
}

func newMariaServer(t testing.TB, options ...string) *mariaServer {
	t.Helper()
	install, program := peers.Need(t, "mariadb-install-db", "mariadb-server"), peers.Need(t, "mariadbd", "mariadb-server")
	dir, err := os.MkdirTemp("", "saslkit-my-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, socket, port := filepath.Join(dir, "data"), filepath.Join(dir, "sock"), freePort(t)
	user := []string{}
	if os.Getuid() == 0 {
		user = []string{"--user=root"}
	}
	args := append([]string{"--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"}, user...)
	if out, err := exec.Command(install, args...).CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	source := "root@unix(" + socket + ")/mysql?clientFoundRows=true"
	open := func() (*sql.DB, error) {
		c, err := mysql.ParseDSN(source)
		if err != nil {
			return nil, err
		}
		c.Logger = &mysql.NopLogger{}
		connector, err := mysql.NewConnector(c)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	}
	s := &mariaServer{
		peerServer: peerServer{dir: dir, log: filepath.Join(dir, "log")}, port: port, tls: labTLS(t),
		database: &database{
			dialect: saslsql.MySQL, quote: "`", text: "VARCHAR(1024) CHARACTER SET utf8mb4", key: "VARCHAR(255) COLLATE utf8mb4_nopad_bin",
			source: source, open: open, conf: fmt.Sprintf("sql_engine: mysql\nsql_hostnames: %s\nsql_user: root\nsql_database: mysql\n", socket),
		},
	}
	serve := append([]string{
		"--no-defaults", "--datadir=" + data, "--socket=" + socket, "--bind-address=127.0.0.1,127.0.0.2", "--port=" + port,
		"--character-set-server=utf8mb4", "--pid-file=" + filepath.Join(dir, "pid"), "--innodb-flush-log-at-trx-commit=2",
		"--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--performance-schema=off",
		"--ssl-cert=" + s.tls.pem, "--ssl-key=" + s.tls.key,
	}, append(user, options...)...)
	s.start = func() *exec.Cmd { return exec.Command(program, serve...) }
	s.run(t)
	t.Cleanup(func() { s.kill(t, syscall.SIGTERM) })
	await(t, open)
	return s
}

func (s *mariaServer) run(t testing.TB) { t.Helper(); s.peerServer.run(t) }
