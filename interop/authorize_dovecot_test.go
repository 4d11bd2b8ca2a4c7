package interop

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/acting"
)

// plainAnswer asks an auth process for a login by PLAIN, as a client of a minor version.
func plainAnswer(t testing.TB, socket string, minor int, authzid, user, password string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	lines := bufio.NewReader(c)
	fmt.Fprintf(c, "VERSION\t1\t%d\nCPID\t77\n", minor)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "DONE\n" {
			break
		}
	}
	fmt.Fprintf(c, "AUTH\t1\tPLAIN\tservice=imap\tnologin\tsecured\tresp=%s\n", b64(authzid+"\x00"+user+"\x00"+password))
	answer, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(answer, "\n")
}

// Our daemon says of a master user what Dovecot's auth process says.
func TestActingAsDovecot(t *testing.T) {
	t.Parallel()
	const user, master, password = "alice@example.org", "master@example.org", "of the master"
	theirs := runDovecotAuth(t, "plain", map[string]string{
		"masters": master + ":{PLAIN}" + password + "\n",
		"users":   user + ":{PLAIN}secret\n",
	})
	policy := realm.Policy{Default: "example.org"}
	rules, err := acting.Parse("acting", strings.NewReader("master *\n"), acting.Options{Realm: policy})
	if err != nil {
		t.Fatal(err)
	}
	auth := labAuth()
	auth.Verifier, auth.Authorizer = verifier.Static{master: password, user: "secret"}, rules
	ours := &authDaemon{socket: daemon.Socket{Path: filepath.Join(t.TempDir(), "auth")}}
	ours.serve(t, auth)
	ours.handler.Current.Set(&daemon.Site{Auth: auth, Realm: policy})
	for _, authzid := range []string{user, "nobody@example.org"} {
		want := plainAnswer(t, theirs, 2, authzid, master, password)
		if diff := cmp.Diff(want, plainAnswer(t, ours.socket.Path, 2, authzid, master, password)); diff != "" || !strings.Contains(want, "\tauth_user="+master) {
			t.Errorf("-Dovecot's +ours\n%s", diff)
		}
		// Postfix and Exim look at user= alone.
		if got, want := plainAnswer(t, ours.socket.Path, 0, authzid, master, password), "OK\t1\tuser="+authzid; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// Of a user who acts as himself nothing more is said.
	if got, want := plainAnswer(t, ours.socket.Path, 2, user, user, "secret"), "OK\t1\tuser="+user; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
