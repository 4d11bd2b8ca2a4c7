//go:build unix

package interop

import (
	"context"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
)

// A postgres is a private instance of PostgreSQL that listens on a Unix socket and,
// for TLS, on an address. The superuser comes in by the socket without a password,
// everybody else by SCRAM-SHA-256.
type postgres struct {
	dir        string // holds the socket
	addr, port string // the port is a part of the socket's name too
	tls        *testTLS
	owner      *syscall.SysProcAttr
}

const (
	postgresAdmin = "postgres"
	postgresHBA   = "local all " + postgresAdmin + " trust\nlocal all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
)

// newPostgres runs an instance until the test ends.
func newPostgres(t testing.TB) *postgres {
	t.Helper()
	initdb, server := postgresProgram(t, "initdb"), postgresProgram(t, "postgres")
	need(t, "psql") // before there is a server to stop
	// Not t.TempDir: another user may have to enter it, and the names of Unix
	// sockets must be short.
	dir, err := os.MkdirTemp("", "saslkit-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &postgres{dir: dir, port: freePort(t), tls: labTLS(t)}
	p.addr = net.JoinHostPort("127.0.0.1", p.port)
	cert, key := p.copy(t, p.tls.pem), p.copy(t, p.tls.key)
	p.disown(t, ".", cert, key)

	data := filepath.Join(dir, "data")
	p.run(t, p.command(initdb, "--no-sync", "--username="+postgresAdmin, "--encoding=UTF8", "--locale=C", "--auth=trust", "--pgdata="+data))
	writeFile(t, filepath.Join(data, "pg_hba.conf"), []byte(postgresHBA)) // the file is theirs already
	cmd := p.command(server, "-D", data, "-k", dir, "-p", p.port, "-c", "listen_addresses=127.0.0.1",
		"-c", "ssl=on", "-c", "ssl_cert_file=../"+cert, "-c", "ssl_key_file=../"+key,
		"-c", "fsync=off", "-c", "shared_buffers=1MB", "-c", "max_connections=10")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := peers.End(cmd, syscall.SIGINT); err != nil { // which disconnects clients
			t.Errorf("PostgreSQL ended: %v", err)
		}
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("PostgreSQL's log:\n%s", said)
		}
	})
	p.answers(t)
	return p
}

// postgresProgram finds the newest version of one of the server's programs, which
// Debian keeps away from PATH.
func postgresProgram(t testing.TB, name string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) > 0 {
		return slices.Max(found)
	}
	return peers.Need(t, name, "postgresql")
}

// copy puts a file into the directory and returns its name there.
func (p *postgres) copy(t testing.TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(file)
	writeFile(t, filepath.Join(p.dir, name), content)
	return name
}

// disown gives files of the directory to the user postgres if we are root, as whom
// PostgreSQL does not run.
func (p *postgres) disown(t testing.TB, names ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		peers.Missing(t, "the user postgres (Debian package postgresql-common)")
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	for _, name := range names {
		if err := os.Chown(filepath.Join(p.dir, name), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	p.owner = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// command is a program run as the owner of the directory, in it.
func (p *postgres) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.SysProcAttr = p.dir, p.owner
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGCLIENTENCODING=UTF8", "PGAPPNAME=", "HOME="+p.dir)
	return cmd
}

func (p *postgres) run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out)
	}
	return strings.TrimSpace(string(out))
}

// psql is a session of a role that runs one statement and prints what it returns.
func (p *postgres) psql(t testing.TB, role, password, statement string) *exec.Cmd {
	t.Helper()
	cmd := p.command(need(t, "psql"), "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--quiet",
		"--set=ON_ERROR_STOP=1", "--host="+p.dir, "--port="+p.port, "--username="+role, "--dbname=postgres", "--command="+statement)
	cmd.Env = append(cmd.Env, "PGPASSWORD="+password, "PGPASSFILE="+filepath.Join(p.dir, "none"))
	return cmd
}

// admin runs a statement with all rights.
func (p *postgres) admin(t testing.TB, statement string) string {
	t.Helper()
	return p.run(t, p.psql(t, postgresAdmin, "", statement))
}

// answers waits until the server takes connections.
func (p *postgres) answers(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		out, err := p.psql(t, postgresAdmin, "", "select 1").CombinedOutput()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("PostgreSQL does not answer within %v: %s", patience, out)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
