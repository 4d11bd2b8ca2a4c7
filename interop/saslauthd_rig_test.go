//go:build linux

package interop

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier/saslauthd"
)

// A unixAccount is in the passwd and shadow of the daemon alone.
type unixAccount struct {
	name, password string
	mark           string // before the hash in shadow: "!" locks
	aging          string // the fields of shadow behind the hash; "" for one that does not age
}

const ageless = "19000:0:99999:7:::"

// A saslauthdPeer is a real saslauthd that sees an /etc of its own: accounts, PAM
// services and sasldb2 are those of the test.
type saslauthdPeer struct {
	dir  string // the socket is in dir/run
	args []string
	cmd  *exec.Cmd
}

// startSaslauthd runs saslauthd with these arguments until the test ends.
func startSaslauthd(t testing.TB, accounts []unixAccount, records []sasldb.Record, args ...string) *saslauthdPeer {
	t.Helper()
	need(t, "saslauthd")
	peers.Root(t, "mounts that saslauthd alone sees")
	// Not t.TempDir, which may be too long for a socket.
	dir, err := os.MkdirTemp("", "saslkit-saslauthd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &saslauthdPeer{dir: dir, args: args}
	for _, folder := range []string{"run", "etc", "etc/pam.d"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.writeAccounts(t, accounts)
	if err := sasldb.Create(s.etc("sasldb2"), records); err != nil {
		t.Fatal(err)
	}
	if cache, err := os.ReadFile("/etc/ld.so.cache"); err == nil { // where libraries are
		writeFile(t, s.etc("ld.so.cache"), cache)
	}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

func (s *saslauthdPeer) etc(name string) string { return filepath.Join(s.dir, "etc", name) }

func (s *saslauthdPeer) socket() string { return filepath.Join(s.dir, "run", "mux") }

// client asks the daemon.
func (s *saslauthdPeer) client(t testing.TB) *saslauthd.Client {
	t.Helper()
	v, err := saslauthd.New(saslauthd.Options{Socket: s.socket(), Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// service defines a service of PAM.
func (s *saslauthdPeer) service(t testing.TB, name, lines string) {
	t.Helper()
	writeFile(t, s.etc("pam.d/"+name), []byte(lines))
}

func (s *saslauthdPeer) writeAccounts(t testing.TB, accounts []unixAccount) {
	t.Helper()
	passwd, shadow := "root:x:0:0:root:/root:/bin/sh\n", "root:*:19000::::::\n"
	for i, a := range accounts {
		if a.aging == "" {
			a.aging = ageless
		}
		passwd += fmt.Sprintf("%s:x:%d:65534::/nonexistent:/bin/sh\n", a.name, 40_000+i)
		shadow += fmt.Sprintf("%s:%s%s:%s\n", a.name, a.mark, md5crypt(t, a.password), a.aging)
	}
	writeFile(t, s.etc("passwd"), []byte(passwd))
	writeFile(t, s.etc("shadow"), []byte(shadow))
	writeFile(t, s.etc("group"), []byte("root:x:0:\nshadow:x:42:\n"))
	writeFile(t, s.etc("nsswitch.conf"), []byte("passwd: files\nshadow: files\ngroup: files\n"))
	unix := "auth required pam_unix.so nodelay\naccount required pam_unix.so\n"
	s.service(t, "smtp", unix)
	s.service(t, "other", "auth required pam_deny.so\naccount required pam_deny.so\n")
}

// md5crypt hashes with the cheapest scheme that looks at a whole password.
func md5crypt(t testing.TB, password string) string {
	t.Helper()
	cmd := exec.Command(need(t, "perl"), "-e", `print crypt(do { local $/; <STDIN> }, '$1$interop')`)
	cmd.Stdin = strings.NewReader(password)
	hash, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(hash), "$1$") {
		t.Fatalf("perl: %v, %s", err, hash)
	}
	return string(hash)
}

// start starts the daemon, again after its end.
func (s *saslauthdPeer) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	before, err := log.Seek(0, io.SeekEnd) // what it said in its life before
	if err != nil {
		t.Fatal(err)
	}
	const overlay = `"$1" --bind "$2" /etc && shift 2 && exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", overlay, "sh", need(t, "mount"), s.etc(""),
		need(t, "saslauthd"), "-d", "-m", filepath.Join(s.dir, "run")}, s.args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own, for with -d the workers do not notice when the first
	// process is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setpgid: true}
	os.Remove(s.socket())
	if err := cmd.Start(); err != nil {
		peers.Missing(t, "the right to make mounts of one's own: "+err.Error())
	}
	s.cmd = cmd
	said := func() string { b, _ := os.ReadFile(log.Name()); return string(b[min(int(before), len(b)):]) }
	defer func() {
		if t.Failed() {
			t.Logf("saslauthd says:\n%s", said())
		}
	}()
	asktest.Until(t, "saslauthd listens", func() bool { return strings.Contains(said(), "listening on socket") && s.listens() })
}

func (s *saslauthdPeer) listens() bool {
	_, err := os.Stat(s.socket())
	return err == nil
}

// signal is for all processes of the daemon.
func (s *saslauthdPeer) signal(sig syscall.Signal) { syscall.Kill(-s.cmd.Process.Pid, sig) }

// kill ends the daemon, unless it has ended. It is not asked to end: saslauthd logs in its
// signal handlers, so that what comes while it logs makes it wait for itself for ever.
func (s *saslauthdPeer) kill() {
	if s.cmd.ProcessState == nil {
		peers.End(s.cmd, syscall.SIGKILL)
	}
}
