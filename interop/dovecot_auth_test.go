package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/verifier"
	dovecotclient "github.com/saslkit/saslkit/verifier/dovecot"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// dovecotAuthConf is for Dovecot 2.3. %[1]s is the directory, %[2]s the mechanisms. The
// static passdb lets nobody in; it makes failures come at once, which otherwise wait for
// the next half of a second even without a failure delay.
const dovecotAuthConf = `
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
auth_mechanisms = %[2]s
auth_failure_delay = 0
auth_username_chars =
auth_master_user_separator = *
listen = 127.0.0.1
protocols =
ssl = no
passdb {
  driver = passwd-file
  deny = yes
  args = %[1]s/denied
}
passdb {
  driver = passwd-file
  master = yes
  args = %[1]s/masters
}
passdb {
  driver = static
  args = nopassword=y noauthenticate=y nodelay=y
}
passdb {
  driver = passwd-file
  args = %[1]s/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=%[1]s/%%u
}
service auth {
  unix_listener auth-saslkit {
    mode = 0600
  }
}
service anvil {
  chroot =
}
`

// dovecotAuth prepares a private instance of Dovecot that serves no protocol but that of
// its auth process, and returns the directory and the socket.
func dovecotAuth(t testing.TB, mechanisms string, files map[string]string) (dir, socket string) {
	t.Helper()
	dir = dovecotDir(t)
	files["conf"] = fmt.Sprintf(dovecotAuthConf, dir, mechanisms)
	for _, name := range []string{"denied", "masters", "users", "conf"} {
		path := filepath.Join(dir, name)
		writeFile(t, path, []byte(files[name]))
		if err := os.Chmod(path, 0o644); err != nil { // the auth process is not root
			t.Fatal(err)
		}
	}
	return dir, filepath.Join(dir, "run", "auth-saslkit")
}

// listens waits for Dovecot to have made a socket.
func listens(t testing.TB, socket string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// runDovecotAuth runs one and returns the socket.
func runDovecotAuth(t testing.TB, mechanisms string, files map[string]string) string {
	t.Helper()
	dir, socket := dovecotAuth(t, mechanisms, files)
	startDovecot(t, dir)
	listens(t, socket)
	return socket
}

func dovecotVerifier(t testing.TB, socket string) *dovecotclient.Client {
	t.Helper()
	c, err := dovecotclient.New(dovecotclient.Options{Socket: socket, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// checkFor asks for the password of user@realm.
func checkFor(c verifier.Verifier, user, password string) (verifier.Account, error) {
	name, realm, _ := strings.Cut(user, "@")
	return c.VerifyPassword(context.Background(), verifier.Request{
		User: name, Realm: realm, Service: "smtp", Mechanism: "PLAIN",
		Remote: netip.MustParseAddrPort("192.0.2.1:40000"), Local: netip.MustParseAddrPort("192.0.2.2:587"),
	}, password)
}

func TestDovecotAuthContract(t *testing.T) {
	t.Parallel()
	users := []verifiertest.User{
		{Name: "alice", Realm: "example.org", Password: "correct horse"},
		{Name: "bob", Realm: "example.org", Password: "battery staple"},
		{Name: "carol", Realm: "example.org", Password: "locked since May", Disabled: true},
		{Name: "dora", Password: "jalapeño pepper"},
		{Name: "emil", Password: "Franz jagt im Taxi"},
		{Name: "frida", Password: "quer durch Bayern"},
	}
	schemes := []string{"PLAIN", "SHA512-CRYPT", "PLAIN", "SSHA256", "SCRAM-SHA-256", "PBKDF2"}
	var lines strings.Builder
	for i, u := range users {
		name, extra := u.Name, ""
		if u.Realm != "" {
			name += "@" + u.Realm
		}
		if u.Disabled {
			extra = "::::::nologin=y reason=away"
		}
		fmt.Fprintf(&lines, "%s:%s%s\n", name, doveadmPassword(t, schemes[i], u.Password), extra)
	}
	c := dovecotVerifier(t, runDovecotAuth(t, "plain login", map[string]string{"users": lines.String()}))
	if err := verifiertest.TestVerifier(c, users...); err != nil {
		t.Error(err)
	}
}

// What Dovecot answers in special cases, and what we make of it.
func TestDovecotAuthAnswers(t *testing.T) {
	t.Parallel()
	c := dovecotVerifier(t, runDovecotAuth(t, "plain", map[string]string{
		"denied":  "denied@example.org:\n",
		"masters": "master:{PLAIN}of the master\n",
		"users": `alice@example.org:{PLAIN}secret
denied@example.org:{PLAIN}secret
away@example.org:{PLAIN}secret::::::nologin=y reason=away
front@example.org:{PLAIN}secret::::::proxy=y host=192.0.2.9
open-front@example.org:::::::nopassword=y proxy=y host=192.0.2.9
open@example.org:::::::nopassword=y
alias@example.org:{PLAIN}secret::::::user=george@example.org
near@example.org:{PLAIN}secret::::::allow_nets=192.0.2.0/24
far@example.org:{PLAIN}secret::::::allow_nets=198.51.100.0/24
trouble@example.org:{PLAIN}secret::::::domain=%{nonsense}
last@example.org:{PLAIN}secret::::::noauthenticate=y
locked@example.org:{SHA512-CRYPT}!
empty@example.org:
odd@example.org:{NONSENSE}secret
`}))
	account := func(user string) verifier.Account { return verifier.Account{User: user, Realm: "example.org"} }
	for _, q := range []struct {
		name, user, password string
		want                 verifier.Account
		err                  error
	}{
		{"right", "alice@example.org", "secret", account("alice"), nil},
		{"wrong", "alice@example.org", "wrong", verifier.Account{}, verifier.ErrWrongPassword},
		{"unknown", "nobody@example.org", "secret", verifier.Account{}, verifier.ErrWrongPassword},
		{"upper case", "Alice@Example.ORG", "secret", account("alice"), nil},
		{"deny passdb", "denied@example.org", "secret", verifier.Account{}, verifier.ErrWrongPassword},
		{"deny passdb, wrong password", "denied@example.org", "wrong", verifier.Account{}, verifier.ErrWrongPassword},
		{"nologin", "away@example.org", "secret", verifier.Account{}, verifier.ErrDisabled},
		{"nologin, wrong password", "away@example.org", "wrong", verifier.Account{}, verifier.ErrWrongPassword},
		{"proxy", "front@example.org", "secret", verifier.Account{}, verifier.ErrUnavailable},
		{"proxy, wrong password", "front@example.org", "wrong", verifier.Account{}, verifier.ErrWrongPassword},
		{"proxy without a password", "open-front@example.org", "whatever", verifier.Account{}, verifier.ErrUnavailable},
		{"nopassword", "open@example.org", "whatever", account("open"), nil},
		{"alias", "alias@example.org", "secret", account("george"), nil},
		{"address allowed", "near@example.org", "secret", account("near"), nil},
		{"address not allowed", "far@example.org", "secret", verifier.Account{}, verifier.ErrWrongPassword},
		{"trouble", "trouble@example.org", "secret", verifier.Account{}, verifier.ErrUnavailable},
		{"trouble, wrong password", "trouble@example.org", "wrong", verifier.Account{}, verifier.ErrUnavailable},
		{"last passdb does not authenticate", "last@example.org", "secret", verifier.Account{}, verifier.ErrUnavailable},
		{"locked", "locked@example.org", "!", verifier.Account{}, verifier.ErrWrongPassword},
		{"empty", "empty@example.org", "x", verifier.Account{}, verifier.ErrWrongPassword},
		{"unknown scheme", "odd@example.org", "secret", verifier.Account{}, verifier.ErrWrongPassword},
		{"master user", "alice@example.org*master", "of the master", verifier.Account{}, verifier.ErrWrongPassword},
		{"master user for nobody", "nobody*master", "of the master", verifier.Account{}, verifier.ErrWrongPassword},
	} {
		got, err := checkFor(c, q.user, q.password)
		if diff := cmp.Diff(q.want, got); diff != "" || !errors.Is(err, q.err) || (err == nil) != (q.err == nil) {
			t.Errorf("%s: %v, -want +got:\n%s", q.name, err, diff)
		}
		if strings.HasPrefix(q.name, "deny") && !strings.Contains(fmt.Sprint(err), "user_disabled") {
			t.Errorf("%s: %v does not say why", q.name, err)
		}
	}
}

// Sockets that cannot serve.
func TestDovecotAuthWrongSocket(t *testing.T) {
	t.Parallel()
	socket := runDovecotAuth(t, "cram-md5", map[string]string{"users": "alice:{PLAIN}secret\n"})
	for path, says := range map[string]string{
		socket: "does not offer PLAIN",
		filepath.Join(filepath.Dir(socket), "auth-userdb"): "master",
	} {
		_, err := checkFor(dovecotVerifier(t, path), "alice", "secret")
		if !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %q", err, says)
		}
	}
}

// Many on one connection, each with a name of his own, some of whom do not wait for the
// answer: right and wrong ones do not get mixed up.
func TestDovecotAuthManyAtOnce(t *testing.T) {
	t.Parallel()
	const users, checks = 50, 2000
	var lines strings.Builder
	for i := range users {
		fmt.Fprintf(&lines, "user%d:{PLAIN}of user%d\n", i, i)
	}
	c := dovecotVerifier(t, runDovecotAuth(t, "plain", map[string]string{"users": lines.String()}))
	var left atomic.Int64
	var all sync.WaitGroup
	for i := range checks {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if i%5 == 0 {
				time.AfterFunc(time.Duration(i)*50*time.Microsecond, cancel)
			}
			user, right := fmt.Sprintf("user%d", i%users), i/users%2 == 0
			password := "of " + user
			if !right {
				password = fmt.Sprintf("of user%d", (i+1)%users)
			}
			a, err := c.VerifyPassword(ctx, verifier.Request{User: user, Service: "smtp", Mechanism: "PLAIN"}, password)
			switch {
			case errors.Is(err, verifier.ErrUnavailable) && errors.Is(err, context.Canceled) && i%5 == 0:
				left.Add(1)
			case right && (err != nil || a.User != user), !right && !errors.Is(err, verifier.ErrWrongPassword):
				t.Errorf("%s: %v, %v", user, a, err)
			}
		})
	}
	all.Wait()
	t.Logf("%d of %d left", left.Load(), checks)
}

// Dovecot's auth process dies, and Dovecot is stopped and started, under load: there is
// trouble, but no refusal, and then it goes on. An auth process whose master was told to
// stop goes on answering on open connections, for 30 seconds, so it is killed.
func TestDovecotAuthRestart(t *testing.T) {
	t.Parallel()
	dir, socket := dovecotAuth(t, "plain", map[string]string{"users": "alice:{PLAIN}secret\n"})
	stop := startDovecot(t, dir)
	c := dovecotVerifier(t, socket)
	var yes, trouble atomic.Int64
	ctx, end := context.WithTimeout(context.Background(), patience)
	defer end()
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				switch _, err := checkFor(c, "alice", "secret"); {
				case err == nil:
					yes.Add(1)
				case errors.Is(err, verifier.ErrUnavailable):
					trouble.Add(1)
					time.Sleep(time.Millisecond)
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	more := func(what string, n *atomic.Int64, least int64) {
		t.Helper()
		for before := n.Load(); n.Load() < before+least; time.Sleep(time.Millisecond) {
			if ctx.Err() != nil {
				t.Fatalf("no more of %s", what)
			}
		}
	}
	for range 3 {
		more("success", &yes, 50)
		kill(t, authPID(t, socket))
		more("success after a crash", &yes, 50)
		auth := authPID(t, socket)
		stop()
		kill(t, auth)
		more("trouble", &trouble, 50)
		stop = startDovecot(t, dir)
	}
	more("success after a restart", &yes, 50)
	end()
	callers.Wait()
	t.Logf("%d checks, %d of them without an answer", yes.Load()+trouble.Load(), trouble.Load())
}

// authPID returns the process id that an auth process says in its greeting.
func authPID(t *testing.T, socket string) int {
	t.Helper()
	listens(t, socket)
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	var g dovecotauth.Greeting
	lines := dovecotauth.NewReader(c)
	for done := false; !done; {
		line, err := lines.Line()
		if err == nil {
			done, err = g.Add(line)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	pid, err := strconv.Atoi(string(g.SPID))
	if err != nil || pid < 2 {
		t.Fatalf("pid %q: %v", g.SPID, err)
	}
	return pid
}

// kill ends a process of a Dovecot that this test runs.
func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
}

// One check after another, and sixteen at once over the same connection.
func BenchmarkDovecotAuth(b *testing.B) {
	c := dovecotVerifier(b, runDovecotAuth(b, "plain", map[string]string{"users": "alice:{PLAIN}secret\n"}))
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			var all sync.WaitGroup
			for i := range callers {
				all.Go(func() {
					for n := i; n < b.N; n += callers {
						if _, err := checkFor(c, "alice", "secret"); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "checks/s")
		})
	}
}
