package main

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
)

// dovecotConf is for Dovecot 2.3. %[1]s is the folder, %[2]s the address. Nothing is in a
// chroot, which containers may forbid, and nothing slows down after refusals.
const dovecotConf = `
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256
auth_failure_delay = 0
disable_plaintext_auth = no
listen = %[2]s
protocols = imap pop3 sieve
mail_location = maildir:%[1]s/mail/%%u
ssl = yes
ssl_cert = <%[1]s/cert
ssl_key = <%[1]s/key
passdb {
  driver = passwd-file
  args = %[1]s/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=%[1]s/mail/%%u
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  chroot =
}
service pop3-login {
  chroot =
}
service managesieve-login {
  chroot =
}
`

// A dovecotPeer is Dovecot with the user alice, whose password is wonderland.
type dovecotPeer struct{ address, socket string }

// startDovecot runs a private instance on an address of its own, until the test ends.
func startDovecot(t *testing.T) dovecotPeer {
	t.Helper()
	program := peers.Need(t, "dovecot", "dovecot-core")
	for service, debianPackage := range map[string]string{"imap": "dovecot-imapd", "pop3": "dovecot-pop3d", "managesieve": "dovecot-managesieved"} {
		if _, err := os.Stat("/usr/lib/dovecot/" + service); err != nil {
			peers.Missing(t, "Dovecot's "+service+" (Debian package "+debianPackage+")")
		}
	}
	peers.Root(t, "Dovecot's master")
	dir := socketDir(t) // not t.TempDir: its processes are other users
	var b [3]byte
	rand.Read(b[:])
	p := dovecotPeer{fmt.Sprintf("127.%d.%d.%d", b[0], b[1], b[2]|1), filepath.Join(dir, "run/auth-client")}
	cert := labCert(t)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"conf":  fmt.Sprintf(dovecotConf, dir, p.address),
		"users": "alice:{PLAIN}wonderland\n",
		"cert":  string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})),
		"key":   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "mail"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "mail"), 0o777); err != nil { // for nobody
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	runPeer(t, exec.Command(program, "-F", "-c", filepath.Join(dir, "conf")), syscall.SIGTERM, filepath.Join(dir, "log"))
	for _, port := range []string{"143", "110", "4190"} {
		awaitListener(t, "tcp", net.JoinHostPort(p.address, port))
	}
	return p
}

// runPeer runs a daemon until the test ends, by this signal to a process group of its own,
// and shows its log if that failed.
func runPeer(t *testing.T, cmd *exec.Cmd, end syscall.Signal, log string) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		peers.End(cmd, end)
		if t.Failed() {
			said, _ := os.ReadFile(log)
			t.Logf("%s: %s", cmd.Path, said)
		}
	})
}

func awaitListener(t *testing.T, network, address string) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial(network, address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestLoginToDovecot: every protocol and mechanism, with the right password and a wrong
// one. No trace has a password.
func TestLoginToDovecot(t *testing.T) {
	t.Parallel()
	d := startDovecot(t)
	servers := []struct {
		url  string
		args []string
	}{
		{"dovecot:" + d.socket, nil},
		{"dovecot:" + d.socket, []string{"--insecure"}},
		{"imap://" + d.address, []string{"--insecure"}},
		{"pop3://" + d.address, []string{"--insecure"}},
		{"pop3://" + d.address, []string{"--insecure", "--starttls"}},
		{"pop3s://" + d.address, []string{"--insecure"}},
		{"sieve://" + d.address, []string{"--insecure"}},
		{"sieve://" + d.address, []string{"--insecure", "--starttls"}},
	}
	for _, s := range servers {
		t.Run(strings.Join(append(s.args, s.url[:5]), " "), func(t *testing.T) {
			t.Parallel()
			login := func(mechanism, password string) ran {
				return runCommand(t, password+"\n", append([]string{"login", "--trace", "--password-stdin", "--mech", mechanism, s.url, "alice"}, s.args...)...)
			}
			for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"} {
				got := login(mechanism, "wonderland")
				if got.code != 0 || got.out != "ok mech="+mechanism+"\n" {
					t.Errorf("%s: exit %d, %s%s", mechanism, got.code, got.out, got.stderr)
				}
				checkNoSecret(t, got, "wonderland", encoded("\x00alice\x00wonderland"))
				got = login(mechanism, canary)
				if got.code != 1 || got.out != "no reason=refused mech="+mechanism+"\n" {
					t.Errorf("%s with a wrong password: exit %d, %s%s", mechanism, got.code, got.out, got.stderr)
				}
				checkNoSecret(t, got, canary, plainMessage)
			}
			got := runCommand(t, "wonderland\n", append([]string{"login", "--password-stdin", s.url, "alice"}, s.args...)...)
			if got.code != 0 || got.out != "ok mech=SCRAM-SHA-256\n" {
				t.Errorf("strongest: exit %d, %s%s", got.code, got.out, got.stderr)
			}
		})
	}
}

// TestLoginToSaslauthd: the real one, which asks a server of IMAP.
func TestLoginToSaslauthd(t *testing.T) {
	t.Parallel()
	program := peers.Need(t, "saslauthd", "sasl2-bin")
	d := startDovecot(t)
	dir := socketDir(t)
	// Asked to end it may wait for itself for ever: its signal handlers log.
	runPeer(t, exec.Command(program, "-d", "-a", "rimap", "-O", d.address, "-m", dir), syscall.SIGKILL, "/dev/null")
	awaitListener(t, "unix", filepath.Join(dir, "mux"))
	for _, path := range []string{dir, dir + "/mux"} {
		login := func(password string) ran {
			return runCommand(t, password+"\n", "login", "--trace", "--password-stdin", "saslauthd:"+path, "alice")
		}
		if got := login("wonderland"); got.code != 0 || got.out != "ok\n" || !strings.Contains(got.stderr, "S: OK") {
			t.Errorf("exit %d, %s%s", got.code, got.out, got.stderr)
		}
		got := login(canary)
		if got.code != 1 || got.out != "no reason=refused\n" || !strings.Contains(got.stderr, "S: NO") {
			t.Errorf("a wrong password: exit %d, %s%s", got.code, got.out, got.stderr)
		}
		checkNoSecret(t, got, canary)
	}
}
