//go:build unix

package cyrusconf

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
)

// saslauthd's LDAP back end takes the last line for a key, with the blanks behind
// the value.
func TestCyrusSaslauthd(t *testing.T) {
	t.Parallel()
	daemon, client := peers.Need(t, "saslauthd", "sasl2-bin"), peers.Need(t, "testsaslauthd", "sasl2-bin")
	peers.Root(t, "saslauthd")
	directory, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer directory.Close()
	binds := make(chan []byte, 16)
	go serveNothing(directory, binds)
	text := fmt.Sprintf("ldap_servers: ldap://127.0.0.1:1/\nldap_servers: ldap://%s/\nldap_bind_dn: cn=first\nldap_bind_dn: cn=last \nldap_password: pencil\n", directory.Addr())
	dir := inFolder(t, map[string]string{"saslauthd.conf": text})
	startSaslauthd(t, daemon, dir)
	deadline := time.Now().Add(3 * time.Minute)
	var bind []byte
	for bind == nil && time.Now().Before(deadline) {
		exec.CommandContext(t.Context(), client, "-f", filepath.Join(dir, "mux"), "-u", "al", "-p", "x").Run() // refused, or too early
		select {
		case bind = <-binds:
		case <-time.After(100 * time.Millisecond):
		}
	}
	s, _ := mustParse(t, text).Saslauthd()
	if s.LDAP.BindDN != "cn=last " || !bytes.Contains(bind, []byte(s.LDAP.BindDN)) {
		t.Errorf("saslauthd binds with %q, we with %q", bind, s.LDAP.BindDN)
	}
}

// serveNothing reads what comes first on each connection.
func serveNothing(l net.Listener, first chan<- []byte) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		message := make([]byte, 1024)
		n, _ := conn.Read(message)
		select {
		case first <- message[:n]:
		default:
		}
		conn.Close()
	}
}

// startSaslauthd runs the daemon until the test ends, in the foreground.
func startSaslauthd(t *testing.T, daemon, dir string) {
	t.Helper()
	cmd := exec.Command(daemon, "-d", "-n", "1", "-a", "ldap", "-m", dir, "-O", filepath.Join(dir, "saslauthd.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		peers.End(cmd, syscall.SIGKILL) // asked to end it may wait for itself for ever: its signal handlers log
		if t.Failed() {
			t.Logf("saslauthd says:\n%s", said.String())
		}
	})
}
