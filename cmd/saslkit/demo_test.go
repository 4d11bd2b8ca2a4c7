package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	got := runCommand(t, "", "demo")
	if got.code != 0 || got.stderr != "" || strings.Contains(got.out, "FAIL") {
		t.Fatalf("exit %d, errors %q, output:\n%s", got.code, got.stderr, got.out)
	}
	for _, m := range mech.All() {
		for _, channel := range []string{"clear", "tls"} {
			row := rowOf(got.out, m.Name, channel)
			if (m.Need == mech.NeedExternal || m.Binds) && channel == "clear" {
				continue // nothing proves an identity there, and there is nothing to bind to
			}
			if !strings.Contains(row, " ok ") || m.Need == mech.NeedPassword && !strings.Contains(row, "wrong password refused: 535") {
				t.Errorf("%s %s: row %q", m.Name, channel, row)
			}
		}
	}
}

func rowOf(table, mechanism, channel string) string {
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == mechanism && f[1] == channel {
			return line
		}
	}
	return ""
}

func TestDemoWithDB(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	before, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	got := runCommand(t, "", "demo", "--db", db)
	if got.code != 0 || rowOf(got.out, "DIGEST-MD5", "tls") == "" {
		t.Errorf("exit %d, errors %q, output:\n%s", got.code, got.stderr, got.out)
	}
	if after, err := os.ReadFile(db); err != nil || string(after) != string(before) {
		t.Errorf("the database was changed (%v)", err)
	}
	noPassword := createDB(t, sasldb.Record{Authid: "carol", Realm: "mail.example", Property: "cmusaslsecretOTP", Value: []byte("md5 499")},
		sasldb.Record{Authid: "esc\x1b", Realm: "mail.example", Property: "userPassword", Value: []byte("x")})
	checkAll(t, []commandCase{
		{name: "nobody to log in with", args: []string{"demo", "--db", noPassword}, code: 3, err: []string{"no user of", "has a password"}},
		{name: "missing", args: []string{"demo", "--db", db + "x"}, code: 3, err: []string{"no such file"}},
		{name: "damaged", args: []string{"demo", "--db", testdata + "bad-item-offset.db"}, code: 4, err: []string{"page 1"}},
		{name: "unknown format", args: []string{"demo", "--db", testdata + "bad-magic.db"}, code: 4, err: []string{"unknown format"}},
		{name: "address without a port", args: []string{"demo", "--listen", "localhost"}, code: 2, err: []string{"--listen"}},
		{name: "address of somebody else", args: []string{"demo", "--listen", "192.0.2.1:1"}, code: 3, err: []string{"192.0.2.1"}},
	})
}

// A lab is a running demo --listen.
type lab struct{ address, user, password, token string }

// newLab starts one; the test ends it.
func newLab(t *testing.T, args ...string) lab {
	t.Helper()
	out, stderr, end := background(t, append([]string{"demo", "--listen", "127.0.0.1:0"}, args...)...)
	l := lab{out.value(t, "address"), out.value(t, "user"), out.value(t, "password"), out.value(t, "token")}
	t.Cleanup(func() {
		if code := end(); code != 0 {
			t.Errorf("demo --listen ended with exit %d: %s", code, stderr)
		}
	})
	return l
}

func TestLabSaysWhatItIs(t *testing.T) {
	t.Parallel()
	out, stderr, end := background(t, "demo", "--listen", "127.0.0.1:0", "--db", mailDB(t))
	if user, password, realm := out.value(t, "user"), out.value(t, "password"), out.value(t, "realm"); user != "alice" || password != "wonderland" || realm != "mail.example" {
		t.Errorf("user %q, password %q, realm %q", user, password, realm)
	}
	if !strings.Contains(stderr.String(), "every mechanism of this build, also in the clear") {
		t.Errorf("nothing said about the policy: %q", stderr)
	}
	if code := end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestGeneratedPasswordIsLettersAndDigits(t *testing.T) {
	t.Parallel()
	for _, c := range newLab(t).password {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", c) {
			t.Errorf("%q in the password", c)
		}
	}
}

// Mail is accepted after a login and not before.
func TestLabTakesMailAfterLogin(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c, err := smtp.Dial(l.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("a@mail.example", nil); err == nil || !strings.Contains(err.Error(), "Authentication required") {
		t.Errorf("MAIL before the login: %v", err)
	}
	if err := c.Auth(plainAuth{l.user, l.password}); err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail("a@mail.example", []string{"b@mail.example"}, strings.NewReader("Subject: hello\r\n\r\nhello\r\n")); err != nil {
		t.Error(err)
	}
}

// plainAuth is PLAIN as go-smtp's client wants it.
type plainAuth struct{ user, password string }

func (p plainAuth) Start() (string, []byte, error) {
	return "PLAIN", []byte("\x00" + p.user + "\x00" + p.password), nil
}

func (p plainAuth) Next([]byte) ([]byte, error) { return []byte{}, nil }

// The lab takes lines of 12,288 octets within an exchange (RFC 4954 section 4),
// for what will need them.
func TestLabTakesLongLines(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", newLab(t).address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Minute))
	lines := bufio.NewScanner(conn)
	send := func(line, until string) string {
		conn.Write([]byte(line + "\r\n"))
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), until) || lines.Text()[3] == ' ' && !strings.HasPrefix(lines.Text(), "220") {
				return lines.Text()
			}
		}
		return "closed"
	}
	send("EHLO localhost", "250 ")
	send("AUTH PLAIN", "334")
	if got := send(strings.Repeat("A", 12288), "5"); !strings.HasPrefix(got, "500 5.5.6") && !strings.HasPrefix(got, "501 5.5.2") {
		t.Errorf("a line of 12,288 octets: %s", got)
	}
}

// command runs this binary as the command, with its temporary files in a folder
// of their own.
func command(t *testing.T, args ...string) (cmd *exec.Cmd, temp string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		peers.Missing(t, "signals (a Unix system)")
	}
	temp = t.TempDir()
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "SASLKIT_TEST_AS_COMMAND=1", "TMPDIR="+temp)
	return cmd, temp
}

func checkNothingLeft(t *testing.T, temp string) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(temp, "*")); err != nil || left != nil {
		t.Errorf("left behind: %q (%v)", left, err)
	}
}

func TestInterruptedLabLeavesNothing(t *testing.T) {
	t.Parallel()
	cmd, temp := command(t, "demo", "--listen", "127.0.0.1:0")
	var out syncBuffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", out.value(t, "address")) // a client that stays
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Until it has been greeted go-smtp may not have counted it, and counts it while it
	// waits for all: a race of its own.
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if made, _ := filepath.Glob(filepath.Join(temp, "*", "sasldb2")); len(made) != 1 {
		t.Errorf("no database in the temporary folder: %q", made)
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v", err)
	}
	checkNothingLeft(t, temp)
}

// Whenever the interrupt comes, the folder is removed.
func TestInterruptedDemoLeavesNothing(t *testing.T) {
	t.Parallel()
	for after := range 8 {
		cmd, temp := command(t, "demo")
		var said syncBuffer
		cmd.Stderr = &said
		started, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(started)
		for n := 0; n < after && lines.Scan(); n++ {
		}
		if after > 0 { // before that it may not have asked for the signal yet
			cmd.Process.Signal(os.Interrupt)
		}
		for lines.Scan() {
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 {
			t.Errorf("interrupted after %d lines: exit %d: %s", after, code, &said)
		}
		checkNothingLeft(t, temp)
	}
}

func TestClosedOutputLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"demo"}, {"demo", "--listen", "127.0.0.1:0"}} {
		cmd, temp := command(t, args...)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd.Stdout = w
		err = cmd.Run()
		w.Close()
		if code := cmd.ProcessState.ExitCode(); code != 3 {
			t.Errorf("%q with a closed standard output: %v", args, err)
		}
		checkNothingLeft(t, temp)
	}
}
