package interop

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
)

// dovecotConf is for Dovecot 2.3. %[1]s is the directory, %[2]s the certificate,
// %[3]s its key, %[4]s the port. What is not needed for a login is not started, and
// nothing is in a chroot, which containers may forbid. Without its socket Dovecot
// does not slow down after refusals.
const dovecotConf = `
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
auth_mechanisms = plain scram-sha-1 scram-sha-256
auth_failure_delay = 0
auth_username_chars =
auth_verbose = yes
disable_plaintext_auth = no
listen = 127.0.0.1
protocols = imap
mail_location = maildir:%[1]s/mail/%%u
ssl = yes
ssl_cert = <%[2]s
ssl_key = <%[3]s
passdb {
  driver = passwd-file
  args = %[1]s/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=%[1]s/mail/%%u
}
service imap-login {
  chroot =
  inet_listener imap {
    port = %[4]s
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

// dovecot runs a private instance of Dovecot that serves IMAP until the test ends,
// with these accounts, name to stored password, and returns it as a lab of which
// only the address is known.
func dovecot(t testing.TB, accounts map[string]string) *lab {
	t.Helper()
	dir := dovecotDir(t)
	if _, err := os.Stat("/usr/lib/dovecot/imap"); err != nil {
		peers.Missing(t, "Dovecot's imap (Debian package dovecot-imapd)")
	}
	l := &lab{tls: labTLS(t), addr: net.JoinHostPort("127.0.0.1", freePort(t))}
	dovecotFiles(t, dir, l, accounts)
	startDovecot(t, dir)
	if err := greeted(l.addr, "* OK "); err != nil {
		t.Fatal(err)
	}
	return l
}

// dovecotDir makes a directory for a private instance, or ends the test for want of
// Dovecot or of the rights to run it. It is not t.TempDir: the processes are other
// users.
func dovecotDir(t testing.TB) string {
	t.Helper()
	need(t, "dovecot")
	peers.Root(t, "Dovecot's master")
	dir, err := os.MkdirTemp("", "saslkit-dovecot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// startDovecot runs Dovecot with the file conf of a directory until it is stopped, at
// the latest when the test ends.
func startDovecot(t testing.TB, dir string) (stop func()) {
	t.Helper()
	cmd := exec.Command(need(t, "dovecot"), "-F", "-c", filepath.Join(dir, "conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := peers.End(cmd, syscall.SIGTERM); err != nil {
			t.Errorf("Dovecot ended: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			said, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("Dovecot's log:\n%s", said)
		}
	})
	return stop
}

func dovecotFiles(t testing.TB, dir string, l *lab, accounts map[string]string) {
	t.Helper()
	mail := filepath.Join(dir, "mail")
	if err := os.Mkdir(mail, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(mail, 0o777); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.addr)
	writeFile(t, filepath.Join(dir, "conf"), fmt.Appendf(nil, dovecotConf, dir, l.tls.pem, l.tls.key, port))
	var lines strings.Builder
	for user, stored := range accounts {
		fmt.Fprintf(&lines, "%s:%s\n", user, stored)
	}
	users := filepath.Join(dir, "users")
	writeFile(t, users, []byte(lines.String()))
	if err := os.Chmod(users, 0o644); err != nil { // the auth process is not root
		t.Fatal(err)
	}
}

// doveadmPassword makes a stored password with Dovecot's tool.
func doveadmPassword(t testing.TB, scheme, password string) string {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "conf")
	writeFile(t, conf, []byte("log_path = /dev/stderr\n")) // the system's is not looked at
	out, err := exec.Command(need(t, "doveadm"), "-c", conf, "pw", "-s", scheme, "-p", password).Output()
	if err != nil {
		t.Fatalf("doveadm pw: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// authOnIMAP logs our client in on a connection of its own, line by line: go-imap's
// client says "=" where an empty response is due.
func authOnIMAP(t *testing.T, l *lab, w wire, mechanism, user, password string) error {
	t.Helper()
	d, capabilities := imapDialog(t, l, w)
	defer d.conn.Close()
	begun := false
	return login{mechanism, user, password, d.channel(), mechanismsIn(capabilities)}.into(t, func(response []byte) ([]byte, bool, error) {
		if !begun {
			begun = true
			d.say("a AUTHENTICATE " + mechanism)
			if line := d.reply()[0]; !strings.HasPrefix(line, "+") {
				return nil, false, errors.New(line)
			}
		}
		d.say(b64(string(response)))
		line := d.reply()[0]
		encoded, more := strings.CutPrefix(line, "+")
		if !more {
			if !strings.HasPrefix(line, "a OK") {
				return nil, false, errors.New(line)
			}
			return nil, true, nil
		}
		challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil {
			t.Fatalf("the server said %q", line)
		}
		return challenge, false, nil
	})
}
