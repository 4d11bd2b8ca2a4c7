package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/sasldb"
)

// canaryA7 is the hash of canary-A7.
const canaryA7 = `$1$saslkit$x5q85nIHMv1X7XCBdA7WI/`

// A runningSaslauthd is our program under saslauthd's name.
type runningSaslauthd struct {
	dir  string
	said *syncBuffer
	end  func() int // ends it and returns its exit code
}

// startOldSaslauthd runs it until the test ends. Its folder is not there before.
func startOldSaslauthd(t *testing.T, args ...string) *runningSaslauthd {
	t.Helper()
	s := &runningSaslauthd{dir: filepath.Join(t.TempDir(), "run"), said: new(syncBuffer)}
	s.start(t, args...)
	return s
}

func (s *runningSaslauthd) start(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	args = append([]string{"-V", "-m", s.dir}, args...)
	go func() {
		code <- runAs(ctx, "/usr/sbin/saslauthd", args, strings.NewReader(""), new(syncBuffer), s.said)
	}()
	s.end = sync.OnceValue(func() int { cancel(); return <-code })
	t.Cleanup(func() { s.end() })
	asktest.Until(t, "saslauthd listens: "+s.said.String(), func() bool {
		return strings.Contains(s.said.String(), "listening on socket: "+s.dir+"/mux\n")
	})
}

// asks is what testsaslauthd says, "OK" or "NO".
func (s *runningSaslauthd) asks(t *testing.T, args ...string) string {
	t.Helper()
	got := runOld(t, "testsaslauthd", "", append(args, "-f", filepath.Join(s.dir, "mux"))...)
	verdict, _, _ := strings.Cut(strings.TrimPrefix(got.out, "0: "), " ")
	if (verdict == "OK") != (got.code == 0) {
		t.Errorf("%q: %+v", args, got)
	}
	return verdict
}

func TestOldSaslauthdSasldb(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "sasldb2")
	password := func(user, realm, password string) sasldb.Record {
		return sasldb.Record{Authid: user, Realm: realm, Property: sasldb.PropertyPassword, Value: []byte(password)}
	}
	long := strings.Repeat("n", 256)
	if err := sasldb.Create(db, []sasldb.Record{
		password("alice", host, "canary-A7"), password("alice", "mail.example", "canary-B8"), password("a@b", "mail.example", "canary-C9"),
		password(long, "mail.example", "canary-D1"),
	}); err != nil {
		t.Fatal(err)
	}
	s := startOldSaslauthd(t, "-a", "SASLDB", "-O", db)
	for _, c := range []struct{ user, realm, password, want string }{
		{"alice", "", "canary-A7", "OK"},
		{"alice", host, "canary-A7", "OK"},
		{"alice", "", "canary-B8", "NO"},
		{"alice", "mail.example", "canary-B8", "OK"},
		{"alice", "mail.example", "canary-A7", "NO"},
		{"alice", "other.example", "canary-A7", "NO"},
		{"a@b", "mail.example", "canary-C9", "OK"},
		{"a@b", "", "canary-C9", "NO"},
		{long, "mail.example", "canary-D1", "OK"},
		{"alice@mail.example", "", "canary-B8", "OK"}, // the original looks for this name in the host's realm
		{"nobody", "", "canary-A7", "NO"},
		{"alice", "", "", "NO"},
		{"", "", "canary-A7", "NO"},
		{"alice", "", strings.Repeat("x", 257), "NO"},
	} {
		if got := s.asks(t, "-u", c.user, "-p", c.password, "-r", c.realm, "-s", "smtp"); got != c.want {
			t.Errorf("%.20s in %q by %.20s: %s, want %s", c.user, c.realm, c.password, got, c.want)
		}
	}
	if code := s.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"saslauthd: it stays in the foreground",
		"saslauthd: auth success: [user=alice] [service=smtp] [realm=mail.example] [mech=sasldb]\n",
		"saslauthd: auth failure: [user=nobody] [service=smtp] [realm=] [mech=sasldb] [reason=",
	} {
		if !strings.Contains(s.said.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, s.said.String())
		}
	}
	if strings.Contains(s.said.String(), "canary") {
		t.Errorf("a password is in the log:\n%s", s.said.String())
	}
}

// A name does not add words to the line that it is in.
func TestOldSaslauthdLogNames(t *testing.T) {
	t.Parallel()
	s := startOldSaslauthd(t, "-a", "sasldb", "-O", mailDB(t))
	const name = "x] [service=smtp] [realm=] [mech=sasldb] [remote=198.51.100.9"
	if got := s.asks(t, "-u", name, "-r", name, "-p", "x"); got != "NO" {
		t.Errorf("got %s", got)
	}
	s.end()
	if said := s.said.String(); !strings.Contains(said, `auth failure: [user=x\x5d `) || strings.Contains(said, "[remote=") {
		t.Errorf("%s", said)
	}
}

func TestOldSaslauthdShadow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shadow")
	write := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	plain, address := "alice:"+canaryA7+":19000:0:99999:7:::", "bob@mail.example:"+canaryA7+":19000:0:99999:7:::"
	for _, c := range []struct {
		name string
		args []string
		want map[string]string // by login, space, realm
	}{
		{"shadow", []string{"-a", "shadow"}, map[string]string{"alice ": "OK", "alice mail.example": "OK", "bob mail.example": "NO", "bob@mail.example ": "OK"}},
		{"joined", []string{"-a", "shadow", "-r"}, map[string]string{"alice ": "OK", "alice mail.example": "NO", "bob mail.example": "OK"}},
		{"getpwent", []string{"-a", "getpwent", "-n", "40", "-l", "-d"}, map[string]string{"alice ": "OK", "alice mail.example": "OK"}},
		{"remembered", []string{"-a", "shadow", "-c", "-t", "28800", "-s", "100"}, map[string]string{"alice ": "OK"}},
	} {
		// One after the other: they change the file.
		write(plain, address)
		s := startOldSaslauthd(t, append(c.args, "-O", file)...)
		for _, round := range []string{"first", "second"} {
			for name, want := range c.want {
				login, realm, _ := strings.Cut(name, " ")
				if got := s.asks(t, "-u", login, "-r", realm, "-p", "canary-A7"); got != want {
					t.Errorf("%s: %q, %s time: %s, want %s", c.name, name, round, got, want)
				}
				if got := s.asks(t, "-u", login, "-r", realm, "-p", "wrong"); got != "NO" {
					t.Errorf("%s: %q by a wrong password: %s", c.name, name, got)
				}
			}
		}
		write(address)
		if got := s.asks(t, "-u", "alice", "-p", "canary-A7"); got != "NO" {
			t.Errorf("%s: who is gone: %s", c.name, got)
		}
		s.end()
		if foreground := strings.Contains(s.said.String(), "stays in the foreground"); foreground == slices.Contains(c.args, "-d") {
			t.Errorf("%s:\n%s", c.name, s.said.String())
		}
		if hour := strings.Contains(s.said.String(), "for an hour"); hour != slices.Contains(c.args, "-t") {
			t.Errorf("%s:\n%s", c.name, s.said.String())
		}
	}
}

func TestOldSaslauthdFolder(t *testing.T) {
	t.Parallel()
	s := startOldSaslauthd(t, "-a", "sasldb", "-O", mailDB(t))
	mux, pid := filepath.Join(s.dir, "mux"), filepath.Join(s.dir, "saslauthd.pid")
	if info, err := os.Stat(mux); err != nil || info.Mode() != os.ModeSocket|0o666 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(pid); err != nil || string(text) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("%q, %v", text, err)
	}
	// A second one takes nothing away.
	got := runOld(t, "saslauthd", "", "-a", "sasldb", "-O", mailDB(t), "-m", s.dir)
	if got.code != 1 || !strings.Contains(got.stderr, "mux") {
		t.Errorf("a second daemon: %+v", got)
	}
	if got := s.asks(t, "-u", "alice", "-p", "wrong"); got != "NO" {
		t.Errorf("then the first says %q", got)
	}
	if _, err := os.Stat(pid); err != nil {
		t.Error(err)
	}
	if code := s.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, path := range []string{mux, pid} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	s.start(t, "-a", "sasldb", "-O", mailDB(t)) // in a folder that is there
}

// SIGTERM ends it well; after SIGKILL the next one takes the place; SIGHUP is ignored.
func TestOldSaslauthdSignals(t *testing.T) {
	t.Parallel()
	db, dir := mailDB(t), t.TempDir()
	start := func() (*exec.Cmd, *syncBuffer) {
		t.Helper()
		cmd, _ := command(t)
		said := new(syncBuffer)
		cmd.Args = []string{"saslauthd", "-V", "-a", "sasldb", "-O", db, "-m", dir}
		cmd.Stderr = said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		asktest.Until(t, "saslauthd listens", func() bool { return strings.Contains(said.String(), "listening on socket") })
		return cmd, said
	}
	killed, _ := start()
	killed.Process.Kill()
	killed.Wait()
	if _, err := os.Stat(filepath.Join(dir, "mux")); err != nil {
		t.Fatal(err)
	}
	ended, said := start()
	ended.Process.Signal(syscall.SIGHUP)
	s := &runningSaslauthd{dir: dir}
	for range 10 {
		if got := s.asks(t, "-u", "alice", "-p", "wrong"); got != "NO" {
			t.Errorf("%q", got)
		}
	}
	ended.Process.Signal(syscall.SIGTERM)
	if err := ended.Wait(); err != nil {
		t.Errorf("%v\n%s", err, said.String())
	}
	for _, name := range []string{"mux", "saslauthd.pid"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

func TestOldSaslauthdCalls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		code int // as saslauthd 2.1.28 has it, but for -n x, a 0 to that
		want string
	}{
		{"", 0, "saslauthd: no authentication mechanism specified\nsaslauthd: usage: saslauthd"},
		{"-h", 0, "saslauthd: usage: saslauthd"},
		{"-v", 0, "\nauthentication mechanisms: " + knownBackends() + "\n"},
		{"-v -a foo", 0, "\nauthentication mechanisms: sasldb getpwent shadow"},
		{"-a sasldb -z", 0, "saslauthd: invalid option -- 'z'\nsaslauthd: usage"},
		{"-a sasldb -m", 0, "saslauthd: option requires an argument -- 'm'\nsaslauthd: usage"},
		{"-a foo", 1, "saslauthd: unknown authentication mechanism: foo (built in: " + knownBackends() + ")\n"},
		{"-a rimap -O HOST", 1, "saslauthd: unknown authentication mechanism: rimap (built in: " + knownBackends() + ")\n"},
		{"-a sasldb -m relative", 1, "saslauthd: -m requires an absolute pathname\n"},
		{"-a sasldb -n x", 1, "saslauthd: -n \"x\" is not a number\n"},
		{"-a sasldb -O DIR/none -m DIR/run", 1, "no such file"},
		{"-a sasldb -O DB -m DIR/no/run", 1, "saslauthd: can not mkdir: "},
		{"-a shadow -O DIR/none -m DIR/run", 1, "no such file"},
		{"-a ldap -O DIR/none -m DIR/run", 1, "no such file"},
	} {
		args := strings.Fields(strings.NewReplacer("DIR", dir, "DB", mailDB(t)).Replace(c.args))
		got := runOld(t, "saslauthd", "", args...)
		if got.code != c.code || !strings.Contains(got.stderr, c.want) || got.out != "" {
			t.Errorf("%s: %+v, want %d and %q", c.args, got, c.code, c.want)
		}
	}
}
