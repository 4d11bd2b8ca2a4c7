package interop

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
)

// A postfix is a private instance of Postfix.
type postfix struct {
	dir  string // reachable by the user postfix
	addr string // of its smtpd
	log  string // file
}

// newPostfix makes the directory of an instance that is not yet started.
func newPostfix(t testing.TB) *postfix {
	t.Helper()
	need(t, "postfix")
	peers.Root(t, "Postfix's master")
	// Not t.TempDir, which only its owner may enter: master's children are
	// the user postfix.
	dir, err := os.MkdirTemp("", "saslkit-postfix-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, sub := range []string{".", "etc", "queue", "data"} {
		path := filepath.Join(dir, sub)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := &postfix{dir: dir, log: filepath.Join(dir, "log")}
	p.give(t, "data")
	p.addr = net.JoinHostPort("127.0.0.1", freePort(t))
	return p
}

// give makes the user postfix the owner of a file below the directory.
func (p *postfix) give(t testing.TB, name string) {
	t.Helper()
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	if err := os.Chown(filepath.Join(p.dir, name), uid, gid); err != nil {
		t.Fatal(err)
	}
}

// write makes a file below the directory and returns its path.
func (p *postfix) write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, []byte(content))
	return path
}

// freePort finds a port for a server that must be told one. It is below those that
// the kernel gives to connections, so that nobody takes it until the server does.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			continue
		}
		ln.Close()
		if _, taken := portsTaken.LoadOrStore(port, true); !taken {
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

var portsTaken sync.Map // by freePort

// services are the daemons that an instance needs to take a message and to pass
// it on.
const services = `
%s      inet       n - n - -   smtpd
cleanup unix       n - n - 0   cleanup
qmgr    unix       n - n 300 1 qmgr
rewrite unix       - - n - -   trivial-rewrite
tlsmgr  unix       - - n 300 1 tlsmgr
bounce  unix       - - n - 0   bounce
defer   unix       - - n - 0   bounce
trace   unix       - - n - 0   bounce
discard unix       - - n - -   discard
retry   unix       - - n - -   error
error   unix       - - n - -   error
anvil   unix       - - n - 1   anvil
postlog unix-dgram n - n - 1   postlogd
`

// start runs the instance until the test ends, with more lines for main.cf and
// master.cf.
func (p *postfix) start(t testing.TB, settings, transports []string) {
	t.Helper()
	p.write(t, "etc/main.cf", strings.Join(append([]string{
		"compatibility_level = 3.6",
		"queue_directory = " + filepath.Join(p.dir, "queue"),
		"data_directory = " + filepath.Join(p.dir, "data"),
		"maillog_file = " + p.log,
		"maillog_file_prefixes = " + p.dir,
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		"smtp_dns_support_level = disabled",
		"smtpd_peername_lookup = no",
		"smtpd_error_sleep_time = 0",
		"smtpd_client_connection_count_limit = 0",
		"mydestination =",
		"local_recipient_maps =",
		"alias_maps =",
		"alias_database =",
	}, settings...), "\n")+"\n")
	p.write(t, "etc/master.cf", fmt.Sprintf(services, p.addr)+strings.Join(transports, "\n")+"\n")
	t.Cleanup(func() {
		if out, err := p.command(t, "stop"); err != nil {
			t.Errorf("postfix stop: %v\n%s", err, out)
		}
	})
	if out, err := p.command(t, "start"); err != nil {
		t.Fatalf("postfix start: %v\n%s\n%s", err, out, p.logged())
	}
	p.greets(t)
}

// greets waits until smtpd says what it is.
func (p *postfix) greets(t testing.TB) {
	t.Helper()
	if err := greeted(p.addr, "220 "); err != nil {
		t.Fatalf("Postfix: %v\n%s", err, p.logged())
	}
}

// greeted waits until a server says what it is.
func greeted(addr, greeting string) error {
	var said string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		conn.SetDeadline(deadline)
		said, _ = bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if strings.HasPrefix(said, greeting) {
			return nil
		}
	}
	return fmt.Errorf("%s does not greet within %v: %q", addr, patience, said)
}

// command runs postfix(1). Its output goes to a file: a daemon that inherited a
// pipe would keep it open.
func (p *postfix) command(t testing.TB, verb string) (string, error) {
	t.Helper()
	out, err := os.Create(filepath.Join(p.dir, verb))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(need(t, "postfix"), "-c", filepath.Join(p.dir, "etc"), verb)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	said, _ := os.ReadFile(out.Name())
	return string(said), err
}

func (p *postfix) logged() string {
	content, _ := os.ReadFile(p.log)
	return string(content)
}

// find waits until a line of the log matches and returns it.
func (p *postfix) find(t testing.TB, pattern string) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^.*` + pattern + `.*$`)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if found := line.FindString(p.logged()); found != "" {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing like %s in Postfix's log:\n%s", pattern, p.logged())
		}
	}
}
