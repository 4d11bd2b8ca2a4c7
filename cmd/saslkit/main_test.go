package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/sasldb"
)

// TestMain lets tests run this binary as the command, for what only a process
// of its own can show: signals, and a standard output that is closed.
func TestMain(m *testing.M) {
	if os.Getenv("SASLKIT_TEST_AS_COMMAND") != "" {
		main()
	}
	os.Exit(m.Run())
}

// testdata are the sample files of package sasldb; its README describes them.
const testdata = "../../sasldb/testdata/"

// A ran is what a command came to.
type ran struct {
	code   int
	out    string
	stderr string
}

func runCommand(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	var out, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &out, &stderr)
	return ran{code, out.String(), stderr.String()}
}

// mailDB makes a database: alice and bob in one realm, carol without a password.
func mailDB(t *testing.T) string {
	t.Helper()
	return createDB(t,
		sasldb.Record{Authid: "alice", Realm: "mail.example", Property: "userPassword", Value: []byte("wonderland")},
		sasldb.Record{Authid: "bob", Realm: "mail.example", Property: "userPassword", Value: []byte("builder")},
		sasldb.Record{Authid: "carol", Realm: "mail.example", Property: "cmusaslsecretOTP", Value: []byte("md5 499")},
	)
}

func createDB(t *testing.T, records ...sasldb.Record) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sasldb2")
	if err := sasldb.Create(path, records); err != nil {
		t.Fatal(err)
	}
	return path
}

// A commandCase is a command line and what must come of it. The texts of err
// must all be on standard error.
type commandCase struct {
	name  string
	stdin string
	args  []string
	code  int
	out   string
	err   []string
}

func (c commandCase) check(t *testing.T) {
	t.Helper()
	got := runCommand(t, c.stdin, c.args...)
	if got.code != c.code || got.out != c.out {
		t.Errorf("saslkit %q:\n got exit %d, output %q, errors %q\nwant exit %d, output %q", c.args, got.code, got.out, got.stderr, c.code, c.out)
	}
	for _, text := range c.err {
		if !strings.Contains(got.stderr, text) {
			t.Errorf("saslkit %q: errors %q, want %q in it", c.args, got.stderr, text)
		}
	}
	if c.err == nil && got.stderr != "" {
		t.Errorf("saslkit %q: errors %q, want none", c.args, got.stderr)
	}
}

func checkAll(t *testing.T, cases []commandCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(t)
		})
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	checkAll(t, []commandCase{
		{name: "nothing", code: 2, err: []string{"no command"}},
		{name: "unknown command", args: []string{"usres"}, code: 2, err: []string{`unknown command "usres"`, "did you mean users?"}},
		{name: "unknown command before its options", args: []string{"usres", "--json"}, code: 2, err: []string{"did you mean users?"}},
		{name: "unknown command, nothing like it", args: []string{"frobnicate"}, code: 2, err: []string{`"saslkit help" lists them`}},
		{name: "unknown option", args: []string{"users", "--jsno"}, code: 2, err: []string{"unknown option --jsno"}},
		{name: "option without its value", args: []string{"users", "-f"}, code: 2, err: []string{"-f"}},
		{name: "help on nothing known", args: []string{"help", "nope"}, code: 2, err: []string{`unknown command "nope"`}},
		{name: "argument missing", args: []string{"login", "smtp://localhost"}, code: 2, err: []string{"login: USER is missing"}},
		{name: "two arguments missing", args: []string{"login"}, code: 2, err: []string{"login: URL USER is missing"}},
		{name: "no arguments wanted", args: []string{"users", "x"}, code: 2, err: []string{"users takes no arguments"}},
		{name: "password as an argument", args: []string{"check", "alice", "sesame"}, code: 2, err: []string{"check takes no more arguments than USER"}},
		{name: "password as an option", args: []string{"check", "--password=sesame", "alice"}, code: 2, err: []string{"unknown option --password"}},
		{name: "joined letters", args: []string{"users", "-f" + db}, out: usersOfMailDB},
		{name: "options behind arguments", stdin: "builder\n", args: []string{"check", "bob", "--verifier", "sasldb:" + db, "-rmail.example", "--password-stdin"},
			out: "ok user=bob realm=mail.example mech=PLAIN\n"},
		{name: "option before the command", args: []string{"-f", db, "users"}, out: usersOfMailDB},
	})
	for _, args := range [][]string{{"check", "-psesame", "alice"}, {"check", "alice", "sesame"}, {"check", "--password=sesame", "alice"}, {"login", "smtp://alice:sesame@localhost", "alice"}, {"login", "smtp://alice:ses%zzsesame@localhost", "alice"}} {
		if got := runCommand(t, "", args...); got.code != 2 || strings.Contains(got.out+got.stderr, "sesame") {
			t.Errorf("saslkit %q: exit %d, errors %q: want 2 and no password", args, got.code, got.stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"help"}, {"--help"}, {"help", "login"}, {"login", "--help"}, {"help", "help"}, {"--version"}} {
		got := runCommand(t, "", args...)
		if got.code != 0 || got.out == "" || got.stderr != "" {
			t.Errorf("saslkit %q: exit %d, output %q, errors %q", args, got.code, got.out, got.stderr)
		}
	}
	if text := runCommand(t, "", "help").out; !strings.Contains(text, "verify ") || strings.Contains(text, "__complete") {
		t.Errorf("help lists: %s", text)
	}
}

// A full disk must not look like an empty database.
func TestFailedWriteIsTold(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"users", "-f", testdata + "bdb-1000-users.db"}, strings.NewReader(""), fullDisk{}, &stderr)
	if code != 3 || !strings.Contains(stderr.String(), "standard output: disk full") {
		t.Errorf("exit %d, errors %q", code, stderr.String())
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errDiskFull }

type textError string

func (e textError) Error() string { return string(e) }

const errDiskFull textError = "disk full"

// background runs a command until the test ends it.
func background(t *testing.T, args ...string) (out, stderr *syncBuffer, end func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, stderr = &syncBuffer{}, &syncBuffer{}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, strings.NewReader(""), out, stderr) }()
	return out, stderr, func() int {
		cancel()
		return <-ended
	}
}
