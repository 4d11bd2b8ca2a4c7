package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
)

// A passedSocket is one that a test passes to the command as systemd would.
type passedSocket struct{ name, path string }

// passing prepares the command with sockets that are open already. LISTEN_PID must be the
// number of its process, which a shell knows before it becomes the command.
func passing(t *testing.T, sockets []passedSocket, args ...string) (*exec.Cmd, *syncBuffer) {
	t.Helper()
	cmd, _ := command(t)
	cmd.Path = peers.Need(t, "sh", "dash")
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"`, os.Args[0], "serve"}, args...)
	var names []string
	for _, s := range sockets {
		names = append(names, s.name)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Env = append(cmd.Env, "LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	stderr := new(syncBuffer)
	cmd.Stderr = stderr
	return cmd, stderr
}

// asNobody has the command run as nobody, to whom the store is given. The tests' binary is
// in a folder that nobody may not enter, so it is passed as a file.
func asNobody(t *testing.T, cmd *exec.Cmd, store string) {
	t.Helper()
	if os.Getuid() != 0 {
		return // nobody special already
	}
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	for _, path := range []string{store, filepath.Dir(store)} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { binary.Close() })
	cmd.ExtraFiles = append(cmd.ExtraFiles, binary)
	cmd.Args[3] = fmt.Sprintf("/proc/self/fd/%d", 2+len(cmd.ExtraFiles))
}

// news is what a command tells systemd.
func news(t *testing.T, dir string, cmd *exec.Cmd) *net.UnixConn {
	t.Helper()
	address := "@" + filepath.Base(dir) // abstract: whoever the command runs as may write there
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(3 * time.Minute))
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+address)
	return c
}

func wantNews(t *testing.T, c *net.UnixConn, want string) {
	t.Helper()
	b := make([]byte, 100)
	if n, err := c.Read(b); err != nil || string(b[:n]) != want {
		t.Errorf("news %q, %v; want %q", b[:n], err, want)
	}
}

// publicStore is a store in a folder that nobody can be led to.
func publicStore(t *testing.T) string {
	t.Helper()
	path := filepath.Join(socketDir(t), "users")
	if err := os.WriteFile(path, []byte("alice:{PLAIN}secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestServePassed: without an option that says where to listen, the sockets of systemd
// are served by their names, as a user without any right to their folder, in which they
// stay as they are.
func TestServePassed(t *testing.T) {
	t.Parallel()
	dir, store := socketDir(t), publicStore(t)
	sockets := []passedSocket{
		{"auth", dir + "/auth"}, {"auth-postfix", dir + "/postfix"}, {"auth-postfix", dir + "/postfix2"},
		{"mux", dir + "/mux"}, {"mux-chroot", dir + "/mux2"}, {"pwcheck", dir + "/pwcheck"}, {"pwcheck-old", dir + "/pwcheck2"},
	}
	cmd, stderr := passing(t, sockets, "--verifier", "passwdfile:"+store, "--realm", "mail.example", "--metrics", "127.0.0.1:0")
	asNobody(t, cmd, store)
	states := news(t, dir, cmd)
	for i, s := range sockets { // modes are the unit's, whatever ours would be
		if err := os.Chmod(s.path, 0o606+os.FileMode(i%2)*0o060); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	until(t, stderr, "ready\n")
	wantNews(t, states, "READY=1")
	for _, folder := range []struct{ auth, mux, pwcheck string }{{"auth", "mux", "pwcheck"}, {"postfix", "mux2", "pwcheck2"}, {"postfix2", "mux", "pwcheck"}} {
		other := socketDir(t) // where asks looks for sockets by their usual names
		for _, link := range [][2]string{{folder.mux, "mux"}, {folder.pwcheck, "pwcheck"}} {
			if err := os.Symlink(filepath.Join(dir, link[0]), filepath.Join(other, link[1])); err != nil {
				t.Fatal(err)
			}
		}
		for name, v := range asks(t, filepath.Join(dir, folder.auth), other, other) {
			if err := ask(v, "alice", "secret"); err != nil {
				t.Errorf("%v, %s: %v", folder, name, err)
			}
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantNews(t, states, "STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, stderr)
	}
	if strings.Contains(stderr.String(), "level=WARN") || strings.Contains(stderr.String(), "warning") {
		t.Errorf("warnings: %s", stderr)
	}
	for i, s := range sockets {
		if info, err := os.Lstat(s.path); err != nil || info.Mode() != os.ModeSocket|0o606+os.FileMode(i%2)*0o060 {
			t.Errorf("%s: %v, %v", s.path, info, err)
		}
	}
}

// TestServePassedAndAsked: with an option, what stands there is served and nothing else,
// which is told.
func TestServePassedAndAsked(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	sockets := []passedSocket{{"mux", dir + "/mux"}, {"saslkit.socket", dir + "/auth"}}
	cmd, stderr := passing(t, sockets, "--verifier", "passwdfile:"+publicStore(t), "--realm", "", "--auth", "systemd:saslkit.socket")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	until(t, stderr, "ready\n")
	until(t, stderr, "systemd passed sockets that nothing is served on: systemd:mux ("+dir+"/mux)")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, stderr)
	}
}

// TestServePassedNameless: a name that says no protocol ends the start, with the cure.
func TestServePassedNameless(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	for name, want := range map[string]string{
		"saslkit.socket": `the name "saslkit.socket"`,
		"unknown":        "FileDescriptorName=auth, mux or pwcheck",
		"authpostfix":    "auth-postfix",
		"Mux":            `"Mux"`,
		"":               `""`,
	} {
		cmd, stderr := passing(t, []passedSocket{{"auth", dir + "/good" + name}, {name, dir + "/bad" + name}}, "--verifier", "passwdfile:"+publicStore(t))
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(stderr.String(), want) || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: exit %d, %s; want %q", name, code, stderr, want)
		}
	}
}

// TestServeSocketActivate: systemd's own program starts the command at the first login.
func TestServeSocketActivate(t *testing.T) {
	t.Parallel()
	activate := peers.Need(t, "systemd-socket-activate", "systemd")
	dir := socketDir(t)
	cmd, _ := command(t)
	cmd.Path = activate
	cmd.Args = []string{activate, "--fdname=auth-postfix:mux", "--listen=" + dir + "/auth", "--listen=" + dir + "/mux", "--setenv=SASLKIT_TEST_AS_COMMAND=1",
		os.Args[0], "serve", "--verifier", "passwdfile:" + publicStore(t), "--realm", "mail.example"}
	stderr := new(syncBuffer)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	until(t, stderr, "Listening on "+dir+"/mux")
	clients := asks(t, dir+"/auth", dir, dir)
	delete(clients, "pwcheck")
	for name, v := range clients {
		if err := ask(v, "alice", "secret"); err != nil {
			t.Errorf("%s: %v: %s", name, err, stderr)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, stderr)
	}
}
