package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/dovecot"
	"github.com/saslkit/saslkit/verifier/pwcheck"
	"github.com/saslkit/saslkit/verifier/saslauthd"
)

// socketDir is a folder whose path leaves room for a socket's name.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "saslkit-serve-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// until waits for a text in the output of something that runs.
func until(t *testing.T, b *syncBuffer, text string) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !strings.Contains(b.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q in %q", text, b.String())
		}
	}
}

// asks are our own clients of the three protocols.
func asks(t *testing.T, auth, mux, pw string) map[string]verifier.Verifier {
	t.Helper()
	d, err := dovecot.New(dovecot.Options{Socket: auth})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	s, err := saslauthd.New(saslauthd.Options{Socket: filepath.Join(mux, "mux")})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pwcheck.New(pwcheck.Options{Socket: filepath.Join(pw, "pwcheck")})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]verifier.Verifier{"dovecot": d, "saslauthd": s, "pwcheck": p}
}

func ask(v verifier.Verifier, user, password string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	_, err := v.VerifyPassword(ctx, verifier.Request{User: user, Service: "smtp"}, password)
	return err
}

// TestServe: three protocols, one store, one line for each login; a change of the store
// counts at once; the end leaves nothing behind.
func TestServe(t *testing.T) {
	t.Parallel()
	dir, db := socketDir(t), mailDB(t)
	auth := filepath.Join(dir, "auth")
	_, stderr, end := background(t, "serve", "--verifier", "sasldb:"+db, "--realm", "mail.example", "--limit", "off",
		"--auth", auth+",mode=0600", "--mux", dir, "--pwcheck", dir)
	until(t, stderr, "ready\n")
	if info, err := os.Stat(auth); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for name, v := range asks(t, auth, dir, dir) {
		if err := ask(v, "alice", "wonderland"); err != nil {
			t.Errorf("%s: right password: %v", name, err)
		}
		if err := ask(v, "alice", "wrong-canary"); !verifier.Refused(err) {
			t.Errorf("%s: wrong password: %v", name, err)
		}
		if err := ask(v, "nobody", "wrong-canary"); !verifier.Refused(err) {
			t.Errorf("%s: unknown user: %v", name, err)
		}
	}
	if got := runCommand(t, "changed\n", "passwd", "-f", db, "-u", "mail.example", "--password-stdin", "alice"); got.code != 0 {
		t.Fatal(got.stderr)
	}
	for name, v := range asks(t, auth, dir, dir) {
		if err := ask(v, "alice", "wonderland"); !verifier.Refused(err) {
			t.Errorf("%s: old password: %v", name, err)
		}
		if err := ask(v, "alice", "changed"); err != nil {
			t.Errorf("%s: new password: %v", name, err)
		}
	}
	if code := end(); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	log := stderr.String()
	if n := strings.Count(log, "msg=login"); n != 15 || strings.Contains(log, "canary") || strings.Contains(log, "wonderland") {
		t.Errorf("%d lines for 15 logins: %s", n, log)
	}
	for _, text := range []string{"result=ok user=alice realm=mail.example mech=PLAIN", "user=alice realm=mail.example protocol=saslauthd service=smtp\n", "user=alice realm=mail.example protocol=pwcheck", "user=nobody", "service=smtp"} {
		if !strings.Contains(log, text) {
			t.Errorf("no %q in %s", text, log)
		}
	}
}

// TestServeJoinRealm: whole addresses are found where saslauthd's protocol names their
// halves, and on another socket as they are typed.
func TestServeJoinRealm(t *testing.T) {
	t.Parallel()
	users := textFile(t, "users", "alice@one.example:{PLAIN}wonderland\nalice:{PLAIN}alone\n")
	for _, c := range []struct {
		options string
		right   map[string]string // passwords, by who asks
	}{
		{"", map[string]string{"": "alone", "one.example": "alone", "two.example": "alone"}},
		{"--join-realm", map[string]string{"": "alone", "one.example": "wonderland", "two.example": "nobody's"}},
	} {
		dir := socketDir(t)
		args := append([]string{"serve", "--verifier", "passwdfile:" + users, "--realm", "", "--limit", "off", "--auth", dir + "/auth", "--mux", dir, "--pwcheck", dir}, strings.Fields(c.options)...)
		_, stderr, end := background(t, args...)
		until(t, stderr, "ready\n")
		clients := asks(t, dir+"/auth", dir, dir)
		for in, right := range c.right {
			for _, password := range []string{"wonderland", "alone"} {
				_, err := clients["saslauthd"].VerifyPassword(t.Context(), verifier.Request{User: "alice", Realm: in, Service: "smtp"}, password)
				if (err == nil) != (password == right) {
					t.Errorf("%q: alice in %q, %s: %v", c.options, in, password, err)
				}
			}
		}
		for _, name := range []string{"dovecot", "pwcheck"} {
			if err := ask(clients[name], "alice@one.example", "wonderland"); err != nil {
				t.Errorf("%q: over %s: %v", c.options, name, err)
			}
		}
		if code := end(); code != 0 {
			t.Errorf("exit %d: %s", code, stderr)
		}
	}
}

// TestServeUnavailable: a store in trouble is trouble, in every protocol.
func TestServeUnavailable(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	users := textFile(t, "users", "alice:{PLAIN}secret")
	_, stderr, end := background(t, "serve", "--verifier", "passwdfile:"+users, "--auth", dir+"/auth", "--mux", dir, "--pwcheck", dir)
	until(t, stderr, "ready\n")
	clients := asks(t, dir+"/auth", dir, dir)
	for name, v := range clients {
		if err := ask(v, "alice", "secret"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Truncate(users, 0); err != nil {
		t.Fatal(err)
	}
	for name, v := range clients {
		if err := ask(v, "alice", "secret"); !errors.Is(err, verifier.ErrUnavailable) {
			t.Errorf("%s: with an empty file: %v", name, err)
		}
	}
	if err := os.WriteFile(users, []byte("alice:{PLAIN}secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, v := range clients {
		if err := ask(v, "alice", "secret"); err != nil {
			t.Errorf("%s: with the file mended: %v", name, err)
		}
	}
	end()
}

// TestServeReload: SIGHUP reads the configuration again; one that makes no sense leaves
// the old one in force; connections that know another list of mechanisms end.
func TestServeReload(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	conf := textFile(t, "app.conf", "sasldb_path: "+mailDB(t), "mech_list: PLAIN")
	cmd, _ := command(t, "serve", "--conf", conf, "--realm", "mail.example", "--auth", dir+"/auth")
	stderr := new(syncBuffer)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	until(t, stderr, "ready\n")
	greeting := func() string {
		t.Helper()
		c, err := net.Dial("unix", dir+"/auth")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(3 * time.Minute))
		var text []byte
		for b := make([]byte, 4096); !bytes.Contains(text, []byte("DONE\n")); {
			n, err := c.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, b[:n]...)
		}
		return string(text)
	}
	if g := greeting(); !strings.Contains(g, "MECH\tPLAIN\t") || strings.Contains(g, "CRAM-MD5") {
		t.Errorf("greeting %q", g)
	}
	open, err := net.Dial("unix", dir+"/auth")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()

	write := func(lines string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	write("mech_lst: PLAIN\n")
	until(t, stderr, "msg=reload result=failed")
	if g := greeting(); !strings.Contains(g, "MECH\tPLAIN\t") {
		t.Errorf("greeting after a reload that failed %q", g)
	}
	write(strings.Replace(string(old), "PLAIN", "PLAIN CRAM-MD5", 1))
	until(t, stderr, "msg=reload result=ok")
	if g := greeting(); !strings.Contains(g, "MECH\tCRAM-MD5\t") {
		t.Errorf("greeting after a reload %q", g)
	}
	// The connection that was greeted with the old list ends.
	open.SetDeadline(time.Now().Add(3 * time.Minute))
	if _, err := io.Copy(io.Discard, open); err != nil {
		t.Errorf("the old connection: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, stderr)
	}
	if _, err := os.Lstat(dir + "/auth"); !errors.Is(err, os.ErrNotExist) {
		t.Error("the socket is left")
	}
}

// TestServeMetrics: what Prometheus reads.
func TestServeMetrics(t *testing.T) {
	t.Parallel()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" { // where nobody else takes the port meanwhile
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := socketDir(t)
	_, stderr, end := background(t, "serve", "--verifier", "sasldb:"+mailDB(t), "--realm", "mail.example", "--auth", dir+"/auth", "--mux", dir, "--pwcheck", dir, "--metrics", addr)
	until(t, stderr, "ready\n")
	for name, v := range asks(t, dir+"/auth", dir, dir) {
		if err := ask(v, "alice", "wonderland"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	response, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		t.Fatal(response.Status, err)
	}
	for _, want := range []string{`saslkit_logins_total{`, `mech="PLAIN"`, `result="ok"`, "saslkit_connections{", "alice"} {
		if strings.Contains(string(text), want) == (want == "alice") {
			t.Errorf("%q: %s", want, text)
		}
	}
	if code := end(); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestServeErrors(t *testing.T) {
	t.Parallel()
	db := "sasldb:" + mailDB(t)
	dir := socketDir(t)
	live, err := net.Listen("unix", dir+"/live")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { live.Close() }) // after the cases, which run in parallel
	open := textFile(t, "key", "0123456789abcdef0123456789abcdef")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	serve := func(args ...string) []string { return append([]string{"serve", "-r", "mail.example"}, args...) }
	checkAll(t, []commandCase{
		{name: "no socket", args: serve("--verifier", db), code: 2, err: []string{"--auth, --mux or --pwcheck"}},
		{name: "no store", args: serve("--auth", dir+"/a"), code: 2, err: []string{"--conf or --verifier"}},
		{name: "contradiction", args: serve("--verifier", "saslauthd:"+dir, "--mech-list", "DIGEST-MD5", "--auth", dir+"/a"), code: 2, err: []string{"DIGEST-MD5", "can only check passwords"}},
		{name: "socket of somebody else", args: serve("--verifier", db, "--auth", dir+"/live"), code: 3, err: []string{dir + "/live"}},
		{name: "no such folder", args: serve("--verifier", db, "--auth", dir+"/no/auth"), code: 3, err: []string{dir + "/no"}},
		{name: "relative", args: serve("--verifier", db, "--auth", "auth"), code: 2, err: []string{"auth"}},
		{name: "option of a socket", args: serve("--verifier", db, "--auth", dir+"/a,mod=0600"), code: 2, err: []string{"mod"}},
		{name: "other machines", args: serve("--verifier", db, "--auth", "inet:192.0.2.1:1"), code: 3, err: []string{"192.0.2.1"}},
		{name: "limit", args: serve("--verifier", db, "--auth", dir+"/a", "--limit", "fre=1"), code: 2, err: []string{"--limit", "free=N"}},
		{name: "limit's value", args: serve("--verifier", db, "--auth", dir+"/a", "--limit", "free=some"), code: 2, err: []string{`"some"`}},
		{name: "limit's network", args: serve("--verifier", db, "--auth", dir+"/a", "--limit", "exempt=home"), code: 2, err: []string{`"home"`}},
		{name: "limit out of range", args: serve("--verifier", db, "--auth", dir+"/a", "--limit", "free=5,max=1"), code: 2, err: []string{"Free"}},
		{name: "no key", args: serve("--verifier", db, "--auth", dir+"/a", "--decoy-key", dir+"/key"), code: 3, err: []string{"--decoy-key", "urandom"}},
		{name: "key for all to see", args: serve("--verifier", db, "--auth", dir+"/a", "--decoy-key", open), code: 2, err: []string{"chmod 600"}},
		{name: "short key", args: serve("--verifier", db, "--auth", dir+"/a", "--decoy-key", textFile(t, "key", "short")), code: 2, err: []string{"6 bytes"}},
		{name: "metrics nowhere", args: serve("--verifier", db, "--auth", dir+"/a", "--metrics", "192.0.2.1:1"), code: 3, err: []string{"--metrics: 192.0.2.1:1 is not a loopback address, and whoever reaches it reads how many logins"}},
		{name: "metrics without a port", args: serve("--verifier", db, "--auth", dir+"/a", "--metrics", "localhost"), code: 3, err: []string{"\"localhost\" is not HOST:PORT"}},
		{name: "realm joined where one is served", args: serve("--verifier", db, "--mux", dir+",realm=other.example", "--join-realm"), code: 2, err: []string{"--join-realm: names are cut at the '@', since realm other.example is served"}},
		{name: "realm joined without saslauthd's protocol", args: serve("--verifier", db, "--auth", dir+"/a", "--join-realm"), code: 2, err: []string{"--join-realm needs --mux"}},
		{name: "damaged store", args: serve("--verifier", "sasldb:"+testdata+"bad-item-offset.db", "--auth", dir+"/a"), code: 4, err: []string{"page 1"}},
	})
}

// TestServePolicies: sockets of one daemon with realms and mechanisms of their own.
func TestServePolicies(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	users := textFile(t, "users", "alice@one.example:{PLAIN}first", "alice@two.example:{PLAIN}second")
	_, stderr, end := background(t, "serve", "--verifier", "passwdfile:"+users, "--realm", "one.example",
		"--auth", dir+"/one", "--auth", dir+"/two,realm=two.example,mode=0600,mech-list=PLAIN+CRAM-MD5")
	until(t, stderr, "ready\n")
	for socket, want := range map[string]string{"one": "first", "two": "second"} {
		c, err := dovecot.New(dovecot.Options{Socket: filepath.Join(dir, socket)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, password := range []string{"first", "second"} {
			if err := ask(c, "alice", password); (err == nil) != (password == want) {
				t.Errorf("%s: %s: %v", socket, password, err)
			}
		}
	}
	if info, err := os.Stat(dir + "/two"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if code := end(); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestKeyModes: a key is nobody's but its owner's and, to read, its group's.
func TestKeyModes(t *testing.T) {
	t.Parallel()
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o440: true, 0o640: true, 0o660: false, 0o604: false, 0o602: false, 0o444: false} {
		path := textFile(t, "key", "0123456789abcdef")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if key, err := readKey(path); (err == nil) != ok || (len(key) > 0) != ok {
			t.Errorf("%04o: %v", mode, err)
		}
	}
}

func TestCutPolicy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		rest string
		p    socketPolicy
	}{
		"/a":                         {"/a", socketPolicy{}},
		"/a,mode=0600,owner=x":       {"/a,mode=0600,owner=x", socketPolicy{}},
		"/a,realm=r,mode=0600":       {"/a,mode=0600", socketPolicy{realm: "r", hasRealm: true}},
		"inet:h:1,realm=":            {"inet:h:1", socketPolicy{hasRealm: true}},
		"/a,mech-list=PLAIN+LOGIN":   {"/a", socketPolicy{mechList: "PLAIN LOGIN"}},
		"/a,security-options=":       {"/a", socketPolicy{hasSecurity: true}},
		"/a,security-options=x+y,z=": {"/a,z=", socketPolicy{security: "x y", hasSecurity: true}},
	} {
		if p, rest := cutPolicy(text); rest != want.rest || p != want.p {
			t.Errorf("%q: %q, %+v", text, rest, p)
		}
	}
}
