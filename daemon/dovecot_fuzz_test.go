package daemon

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// FuzzDovecotConn: whatever a client sends, the connection comes to its end, all that is
// said are replies of the protocol, a request has one end, and nobody logs in without
// the password. The input gets at it where it says %PLAIN or %PASSWORD.
func FuzzDovecotConn(f *testing.F) {
	password := rand.Text()
	d := dovecotOf(permissive(verifiertest.NewMemory(verifiertest.User{Name: "alice", Realm: "example.org", Password: password})))
	d.times = dovecotTimes{request: time.Millisecond, line: enough, write: enough}
	for _, lines := range []string{
		"VERSION 1 2|CPID 1|AUTH 1 PLAIN service=smtp resp=%PLAIN",
		"AUTH 1 PLAIN service=smtp|CONT 1 %PLAIN|AUTH 2 PLAIN service=smtp secured final-resp-ok resp=%PLAIN",
		"AUTH 1 LOGIN service=smtp|CONT 1 YWxpY2U=|CONT 1 %PASSWORD", "AUTH 1 LOGIN service=smtp resp=YWxpY2U=|CANCEL 1|AUTH 1 LOGIN service=smtp resp=",
		"AUTH 1 CRAM-MD5 service=smtp|CONT 1 YWxpY2UgMDAwMTAyMDMwNDA1MDYwNzA4MDkwYTBiMGMwZDBlMGY=", "AUTH 1 DIGEST-MD5 service=smtp|CONT 1 ",
		"AUTH 1 SCRAM-SHA-1 service=smtp resp=" + encoded("n,,n=alice,r=abc") + "|CONT 1 " + encoded("c=biws,r=abc,p=AAAA"),
		"AUTH 1 EXTERNAL service=smtp valid-client-cert cert_username= resp==", "AUTH 1 EXTERNAL service=smtp resp=YWxpY2U=",
		"AUTH 1 PLAIN service=smtp|AUTH 1 PLAIN service=smtp", "AUTH 1 PLAIN service=smtp|CONT 1 !!", "AUTH x", "VERSION 2 0", "CONT 1", "\x01", "\x00", "|||",
		"AUTH 1 PLAIN service=smtp rip=::1%x lip=[ rport=-1 resp==", "AUTH 1 PLAIN service=smtp resp=" + strings.Repeat("A", 17000), "AUTH 1 NTLM service=",
	} {
		f.Add([]byte(strings.ReplaceAll(tabs.Replace(lines), "|", "\n")))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		sent := bytes.ReplaceAll(input, []byte("%PLAIN"), []byte(plainMessage("alice", password)))
		sent = bytes.ReplaceAll(sent, []byte("%PASSWORD"), []byte(encoded(password)))
		begun := make(map[uint32]int)
		for line := range bytes.Lines(sent) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			if len(line) >= dovecotauth.MaxLine { // of which the beginning counts
				fields := append(bytes.SplitN(line, []byte("\t"), 3), nil, nil)
				line = fmt.Appendf(nil, "%s\t%s\tx\tservice=", fields[0], fields[1])
			}
			if m, err := dovecotauth.ParseClient(line); err == nil {
				if a, ok := m.(dovecotauth.Auth); ok {
					begun[a.ID]++
				}
			}
		}
		secret := !bytes.Equal(sent, input)
		for _, line := range exchangeLines(t, d, append(sent, '\n')) {
			m, err := dovecotauth.ParseServer([]byte(line))
			if err != nil {
				t.Fatalf("the server says %q: %v", line, err)
			}
			var end uint32
			switch m := m.(type) {
			case nil:
				t.Fatalf("the server says %q", line)
			case dovecotauth.OK:
				user, _ := m.Params.Value("user")
				anonymous := user == "anonymous" && bytes.Contains(bytes.ToUpper(sent), []byte("ANONYMOUS"))
				external := bytes.Contains(bytes.ToUpper(sent), []byte("EXTERNAL")) && bytes.Contains(sent, []byte("valid-client-cert"))
				if user == "" || !(secret && user == "alice@example.org" || anonymous || external) {
					t.Fatalf("logged in: %q", line)
				}
				end = m.ID
			case dovecotauth.Fail:
				end = m.ID
			default:
				continue
			}
			if begun[end]--; begun[end] < 0 {
				t.Fatalf("request %d ends more often than it begins: %q", end, line)
			}
		}
	})
}

// exchangeLines serves one connection on which all is sent at once, and returns what
// comes.
func exchangeLines(t *testing.T, d *Dovecot, sent []byte) (lines []string) {
	t.Helper()
	a, b := net.Pipe()
	c := &Conn{Conn: a}
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer a.Close()
		d.ServeConn(context.Background(), c)
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(b); s.Scan(); {
			lines = append(lines, s.Text())
		}
	}()
	b.Write(sent)
	c.Stop()
	for _, over := range []chan struct{}{served, read} {
		select {
		case <-over:
		case <-time.After(enough):
			t.Fatal("the connection does not end")
		}
	}
	b.Close()
	return lines
}
