package interop

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/internal/peers"
)

// eximVariable is the environment variable with the path of an Exim that is not installed:
// Debian's cannot be beside Postfix. What it was unpacked with is beside it.
const eximVariable = "SASLKIT_EXIM"

// eximUser is whom Exim runs as, a user that every Debian system has.
const eximUser = "mail"

// An exim is a private instance of Exim.
type exim struct {
	dir     string // reachable by eximUser
	program string
	env     []string
}

// newExim makes the directory of an instance, with a program of its own: Debian's wants to
// know the number of its own user before it reads a configuration, and that user is not
// there unless Exim is installed.
func newExim(t testing.TB) *exim {
	t.Helper()
	installed := os.Getenv(eximVariable)
	if installed == "" {
		installed = need(t, "exim4")
	}
	peers.Root(t, "Exim's daemon")
	dir, err := os.MkdirTemp("", "saslkit-exim-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, err := os.ReadFile(installed)
	if err != nil {
		t.Fatal(err)
	}
	const owner = "Debian-exim\x00"
	program = bytes.ReplaceAll(program, []byte(owner), []byte(eximUser+strings.Repeat("\x00", len(owner)-len(eximUser))))
	x := &exim{dir: dir, program: filepath.Join(dir, "exim")}
	writeFile(t, x.program, program)
	for _, path := range []string{dir, x.program} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(filepath.Dir(installed), "..", "..")
	libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	libraries = append(libraries, filepath.Join(root, "usr/lib"))
	x.env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	x.write(t, "conf", "keep_environment =\n")
	if about, err := x.command("-bV").CombinedOutput(); err != nil || !regexp.MustCompile(`(?m)^Authenticators:.* dovecot`).Match(about) {
		t.Logf("%v\n%s", err, about)
		peers.Missing(t, "Exim with the authenticator dovecot (Debian package "+packages["exim4"]+")")
	}
	return x
}

func (x *exim) command(args ...string) *exec.Cmd {
	cmd := exec.Command(x.program, append([]string{"-C", filepath.Join(x.dir, "conf")}, args...)...)
	cmd.Env = x.env
	return cmd
}

// write makes a file below the directory that Exim's user may read.
func (x *exim) write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(x.dir, name)
	writeFile(t, path, []byte(content))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// own makes a directory that Exim's user may write to.
func (x *exim) own(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(x.dir, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	owner, err := user.Lookup(eximUser)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
	return path
}

// eximConf is for Exim 4.96. %[1]s is the directory for spool and logs, %[2]s and %[3]s are
// certificate and key.
const eximConf = `
keep_environment =
primary_hostname = mail.example
exim_user = mail
exim_group = mail
spool_directory = %[1]s
log_file_path = %[1]s/%%slog
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = %[2]s
tls_privatekey = %[3]s
auth_advertise_hosts = *
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 100
smtp_max_synprot_errors = 100
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  accept logwrite = logged in: $authenticated_id by $sender_host_authenticated
begin authenticators
`

const eximAuthenticator = `
%s:
  driver = dovecot
  public_name = %s
  server_socket = %s
  server_set_id = $auth1
`

// eximName is what Exim's configuration calls a mechanism.
func eximName(mechanism string) string {
	return "by_" + strings.ToLower(strings.ReplaceAll(mechanism, "-", "_"))
}

// An eximSite is Exim that asks our daemon.
type eximSite struct {
	*lab
	daemon *authDaemon
	logs   string // directory
}

// newEximSite starts both. The daemon's listener may be wrapped; nil: it is not.
func newEximSite(t testing.TB, auth *saslkit.Authenticator, wrap func(net.Listener) net.Listener) *eximSite {
	t.Helper()
	x := newExim(t)
	site := &eximSite{lab: &lab{tls: labTLS(t)}, logs: x.own(t, "spool")}
	site.daemon = &authDaemon{socket: daemon.Socket{Path: filepath.Join(x.dir, "auth"), Owner: eximUser}, wrap: wrap}
	site.daemon.serve(t, auth)
	port := freePort(t)
	site.addr = net.JoinHostPort("127.0.0.1", port)
	cert, err := os.ReadFile(site.tls.pem)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(site.tls.key)
	if err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(eximConf, site.logs, x.write(t, "cert.pem", string(cert)), x.write(t, "key.pem", string(key)))
	for _, m := range nineMechanisms {
		conf += fmt.Sprintf(eximAuthenticator, eximName(m), m, site.daemon.socket.Path)
	}
	x.write(t, "conf", conf)
	x.start(t, port)
	if err := greeted(site.addr, "220 "); err != nil {
		t.Fatalf("Exim: %v\n%s", err, site.logged())
	}
	return site
}

// start runs the daemon in the foreground until the test ends. Told of its port here it
// writes no pid file, for whose removal it would call itself as it ends.
func (x *exim) start(t testing.TB, port string) {
	t.Helper()
	cmd := x.command("-bdf", "-oX", port)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said // pipes, which the processes of connections have too
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := peers.End(cmd, syscall.SIGTERM); err == exec.ErrWaitDelay || err == peers.ErrKilled {
			t.Errorf("Exim does not end: %v", err)
		}
		if said.Len() > 0 {
			t.Logf("Exim said:\n%s", said.String())
		}
	})
}

// logged is what Exim logged, a panic too.
func (s *eximSite) logged() string {
	var all strings.Builder
	for _, name := range []string{"mainlog", "rejectlog", "paniclog"} {
		content, _ := os.ReadFile(filepath.Join(s.logs, name))
		all.Write(content)
	}
	return all.String()
}
