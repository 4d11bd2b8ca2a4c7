package interop

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// A pop3Lab is as much of a POP3 server as a login needs.
type pop3Lab struct {
	auth *saslkit.Authenticator
	port string
	all  sync.WaitGroup
}

func newPOP3Lab(t testing.TB) *pop3Lab {
	t.Helper()
	l := &pop3Lab{auth: &saslkit.Authenticator{Verifier: verifier.Static{labUser: labPassword}, Mechanisms: []string{"PLAIN", "APOP"}}}
	if err := l.auth.Validate(); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, l.port, _ = net.SplitHostPort(ln.Addr().String())
	l.all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			l.all.Go(func() { l.serve(conn) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		l.all.Wait()
	})
	return l
}

func (l *pop3Lab) serve(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(clientTimeout))
	peer := l.auth.NewPeer(saslkit.PeerConfig{Service: "pop3", HostNames: []string{"mail.example"}, Realm: realm.Policy{Default: labRealm}})
	defer peer.Close()
	fmt.Fprintf(conn, "+OK ready %s\r\n", peer.APOPTimestamp())
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		words := append(strings.Fields(lines.Text()), "", "", "")
		_, in := peer.Result()
		switch command := strings.ToUpper(words[0]); {
		case command == "CAPA":
			fmt.Fprint(conn, "+OK\r\nUIDL\r\n.\r\n")
		case command == "APOP":
			if err := peer.APOP(words[1], words[2]); err != nil {
				code, text := mech.AsError(err).POP3()
				fmt.Fprintf(conn, "-ERR [%s] %s\r\n", code, text)
			} else {
				fmt.Fprint(conn, "+OK maildrop has 0 messages\r\n")
			}
		case command == "QUIT":
			fmt.Fprint(conn, "+OK\r\n")
			return
		case in && command == "LIST":
			fmt.Fprint(conn, "+OK\r\n.\r\n")
		case in && command == "STAT":
			fmt.Fprint(conn, "+OK 0 0\r\n")
		default:
			fmt.Fprint(conn, "-ERR\r\n")
		}
	}
}

const poplibLogin = `
import poplib, sys
p = poplib.POP3("127.0.0.1", int(sys.argv[1]), timeout=30)
p.apop(sys.argv[2], sys.argv[3])
print(p.stat())
p.quit()
`

// TestAPOPClients: curl and Python's poplib with our server.
func TestAPOPClients(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func(l *pop3Lab, password string) *exec.Cmd{
		"curl": func(l *pop3Lab, password string) *exec.Cmd {
			return exec.Command(need(t, "curl"), "-sv", "--max-time", "30", "--login-options", "AUTH=+APOP", "--user", labUser+":"+password, "pop3://127.0.0.1:"+l.port+"/")
		},
		"poplib": func(l *pop3Lab, password string) *exec.Cmd {
			return exec.Command(need(t, "python3"), "-c", poplibLogin, l.port, labUser, password)
		},
	} {
		l := newPOP3Lab(t)
		if out, err := command(l, labPassword).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if out, err := command(l, labPassword+"x").CombinedOutput(); err == nil || !strings.Contains(string(out), "[AUTH] Authentication failed") {
			t.Errorf("%s, wrong password: %v\n%s", name, err, out)
		}
	}
}

// TestDovecotAPOP: what our client computes is right for Dovecot's auth process, which is
// asked as its POP3 server would.
func TestDovecotAPOP(t *testing.T) {
	t.Parallel()
	socket := runDovecotAuth(t, "apop plain", map[string]string{"users": labUser + ":{PLAIN}" + labPassword + "\n"})
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(clientTimeout))
	lines := bufio.NewScanner(conn)
	fmt.Fprint(conn, "VERSION\t1\t1\nCPID\t1\n")
	var pid, id int
	for lines.Scan() && lines.Text() != "DONE" {
		fmt.Sscanf(lines.Text(), "SPID\t%d", &pid)
		fmt.Sscanf(lines.Text(), "CUID\t%d", &id)
	}
	ask := func(number int, password string) string {
		timestamp := fmt.Sprintf("<%x.%x.%x.abcdef@mail.example>", pid, id, time.Now().Unix()+1)
		command, err := mech.APOPCommand("+OK Dovecot ready. "+timestamp, saslkit.Credentials{Username: labUser, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		digest, err := hex.DecodeString(strings.Fields(command)[2])
		if err != nil {
			t.Fatal(err)
		}
		message := timestamp + "\x00" + labUser + "\x00" + string(digest)
		fmt.Fprintf(conn, "AUTH\t%d\tAPOP\tservice=pop3\tresp=%s\n", number, base64.StdEncoding.EncodeToString([]byte(message)))
		if !lines.Scan() {
			t.Fatalf("Dovecot says nothing more (%v)", lines.Err())
		}
		return lines.Text()
	}
	if answer := ask(1, labPassword); !strings.HasPrefix(answer, "OK\t1\tuser="+labUser) {
		t.Errorf("%q", answer)
	}
	if answer := ask(2, labPassword+"x"); !strings.HasPrefix(answer, "FAIL\t2\tuser="+labUser) {
		t.Errorf("wrong password: %q", answer)
	}
}
