package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// actingUsers are the users that actingRules are about: sales has no account.
func actingUsers(t *testing.T) string {
	return "passwdfile:" + textFile(t, "users",
		"alice@mail.example:{PLAIN}wonderland", "bob@mail.example:{PLAIN}builder",
		"root@mail.example:{PLAIN}toor", "hashed@mail.example:"+md5Hash, "locked@mail.example:{PLAIN}x::::::nologin")
}

func actingRules(t *testing.T) string {
	return textFile(t, "acting", "# who acts as whom", "alice sales bob@mail.example locked", "@staff = bob", "@staff desk", "root *")
}

func TestCheckAuthzid(t *testing.T) {
	t.Parallel()
	users, rules := actingUsers(t), actingRules(t)
	check := func(args ...string) []string {
		return append([]string{"check", "--verifier", users, "-r", "mail.example", "--password-stdin"}, args...)
	}
	with := func(args ...string) []string { return append(check("--authorize", rules), args...) }
	known := func(args ...string) []string { return append(check("--authorize", rules+",exists"), args...) }
	const no = "no reason=not-permitted\n"
	ok := func(user, mechanism, as string) string {
		return fmt.Sprintf("ok user=%s realm=mail.example mech=%s%s\n", user, mechanism, as)
	}
	var cases []commandCase
	for _, m := range []string{"PLAIN", "DIGEST-MD5", "SCRAM-SHA-256"} {
		by := func(args ...string) []string { return append(with("--mech", m), args...) }
		cases = append(cases,
			commandCase{name: m, stdin: "wonderland\n", args: by("--authzid", "sales@mail.example", "alice"), out: ok("alice", m, " authzid=sales@mail.example")},
			commandCase{name: m + ", not listed", stdin: "wonderland\n", args: by("--authzid", "desk", "alice"), code: 1, out: no, err: []string{`"alice@mail.example" as "desk@mail.example": no rule`}},
			commandCase{name: m + ", wrong password", stdin: "wrong\n", args: by("--authzid", "sales", "alice"), code: 1, out: "no reason=wrong-password\n", err: []string{"wrong password"}},
			commandCase{name: m + ", wrong password and not listed", stdin: "wrong\n", args: by("--authzid", "desk", "alice"), code: 1, out: "no reason=wrong-password\n", err: []string{"wrong password"}},
			commandCase{name: m + ", oneself", stdin: "wonderland\n", args: by("--authzid", "alice@mail.example", "alice"), out: ok("alice", m, "")},
		)
	}
	cases = append(cases,
		commandCase{name: "no mechanism", stdin: "wonderland\n", args: with("--authzid", "sales@mail.example", "alice"), out: ok("alice", "PLAIN", " authzid=sales@mail.example")},
		commandCase{name: "no rules", stdin: "wonderland\n", args: check("--authzid", "sales", "alice"), code: 1, out: no, err: []string{"may not act"}},
		commandCase{name: "a mechanism that cannot", stdin: "wonderland\n", args: with("--mech", "LOGIN", "--authzid", "sales", "alice"), code: 1, out: no, err: []string{"LOGIN has no authorization identity"}},
		commandCase{name: "a group", stdin: "builder\n", args: with("--authzid", "desk@mail.example", "bob"), out: ok("bob", "PLAIN", " authzid=desk@mail.example")},
		commandCase{name: "a master user", stdin: "toor\n", args: with("--authzid", "alice@mail.example", "root"), out: ok("root", "PLAIN", " authzid=alice@mail.example")},
		commandCase{name: "a typo of a master user", stdin: "toor\n", args: with("--authzid", "alcie@mail.example", "root"), out: ok("root", "PLAIN", " authzid=alcie@mail.example")},
		commandCase{name: "a typo, exists", stdin: "toor\n", args: known("--authzid", "alcie", "root"), code: 1, out: no, err: []string{"no such user"}},
		commandCase{name: "an account, exists", stdin: "toor\n", args: known("--authzid", "alice@mail.example", "root"), out: ok("root", "PLAIN", " authzid=alice@mail.example")},
		commandCase{name: "an account with a hash, exists", stdin: "toor\n", args: known("--authzid", "hashed@mail.example", "root"), out: ok("root", "PLAIN", " authzid=hashed@mail.example")},
		commandCase{name: "no account, exists", stdin: "wonderland\n", args: known("--authzid", "sales", "alice"), code: 1, out: no, err: []string{`"sales@mail.example": `, "no such user"}},
		commandCase{name: "a disabled account", stdin: "wonderland\n", args: with("--authzid", "locked", "alice"), code: 1, out: no, err: []string{"disabled"}},
		commandCase{name: "no file", stdin: "x\n", args: check("--authorize", rules+"x", "alice"), code: 3, out: "no reason=unavailable\n", err: []string{"no such file"}},
		commandCase{name: "unknown word", stdin: "x\n", args: check("--authorize", rules+",exist", "alice"), code: 3, out: "no reason=unavailable\n", err: []string{"no such file"}},
		commandCase{name: "fault", stdin: "x\n", args: check("--authorize", textFile(t, "acting", "alice bob", "bob sales*"), "alice"), code: 2, err: []string{"acting:2: ", "'*' stands alone"}},
	)
	checkAll(t, cases)
}

func TestAuthorizeErrors(t *testing.T) {
	t.Parallel()
	users, rules := actingUsers(t), actingRules(t)
	open := textFile(t, "acting", "alice sales")
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	dir := socketDir(t)
	checkAll(t, []commandCase{
		{name: "mechs, fault", args: []string{"mechs", "-r", "mail.example", "--verifier", users, "--authorize", textFile(t, "acting", "*")}, code: 2, err: []string{":1: ", "cannot act"}},
		{name: "that everybody may write", args: []string{"mechs", "-r", "mail.example", "--verifier", users, "--authorize", open}, code: 2, err: []string{"chmod o-w"}},
		{name: "serve, fault", args: []string{"serve", "-r", "mail.example", "--verifier", users, "--auth", dir + "/a", "--authorize", textFile(t, "acting", "@a b")}, code: 2, err: []string{":1: ", "there is no group @a"}},
		{name: "serve, no store that knows", args: []string{"serve", "-r", "mail.example", "--verifier", "saslauthd:" + dir, "--auth", dir + "/a", "--authorize", rules + ",exists"}, code: 2, err: []string{"no store can tell who exists"}},
	})
}

// An authSocket is a connection in Dovecot's protocol.
type authSocket struct {
	net.Conn
	t     *testing.T
	lines *bufio.Reader
	id    int
}

func dialAuthSocket(t *testing.T, path string, minor int) *authSocket {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(3 * time.Minute))
	s := &authSocket{Conn: c, t: t, lines: bufio.NewReader(c)}
	fmt.Fprintf(c, "VERSION\t1\t%d\nCPID\t%d\n", minor, os.Getpid())
	for s.line() != "DONE" {
	}
	return s
}

func (s *authSocket) line() string {
	s.t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// as returns what is said to a login by PLAIN, without the number of the request.
func (s *authSocket) as(authzid, user, password string) string {
	s.t.Helper()
	s.id++
	message := base64.StdEncoding.EncodeToString([]byte(authzid + "\x00" + user + "\x00" + password))
	fmt.Fprintf(s, "AUTH\t%d\tPLAIN\tservice=smtp\tnologin\tresp=%s\n", s.id, message)
	return strings.Replace(s.line(), fmt.Sprintf("\t%d\t", s.id), " ", 1)
}

// TestServeAuthorize: rules count at a reload, and rules with a fault do not; the log
// has both identities.
func TestServeAuthorize(t *testing.T) {
	t.Parallel()
	dir, users, rules := socketDir(t), actingUsers(t), actingRules(t)
	cmd, _ := command(t, "serve", "--verifier", users, "--realm", "mail.example", "--authorize", rules, "--limit", "off", "--auth", filepath.Join(dir, "auth"))
	stderr := new(syncBuffer)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	until(t, stderr, "ready\n")
	c := dialAuthSocket(t, filepath.Join(dir, "auth"), 0)
	ask := func(authzid, want string) {
		t.Helper()
		if got := c.as(authzid, "alice", "wonderland"); got != want {
			t.Errorf("alice as %q: %q, want %q", authzid, got, want)
		}
	}
	const refused = "FAIL user=alice@mail.example\tauthz\tcode=authz_fail"
	ask("bob@mail.example", "OK user=bob@mail.example")
	ask("alice@mail.example", "OK user=alice@mail.example")
	ask("locked", refused)
	ask("desk", refused)
	until(t, stderr, `user=alice realm=mail.example mech=PLAIN service=smtp tls=false authzid=bob@mail.example`)
	until(t, stderr, `reason="authz-denied: acting: \"alice@mail.example\" as \"desk@mail.example\": no rule: `)

	reload := func(text, result string) {
		t.Helper()
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until(t, stderr, result)
	}
	reload("alice desk@mail.example\nalice sales*\n", "msg=reload result=failed")
	ask("bob@mail.example", "OK user=bob@mail.example")
	ask("desk@mail.example", refused)
	if log := stderr.String(); !strings.Contains(log, ":2: ") || !strings.Contains(log, "stands alone") {
		t.Errorf("the log does not say why: %s", log)
	}
	reload("alice desk@mail.example\n", "msg=reload result=ok")
	ask("bob@mail.example", refused)
	ask("desk@mail.example", "OK user=desk@mail.example")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
}
