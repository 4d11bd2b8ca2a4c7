package interop

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/sasldb"
)

// A clientRun is one login that a foreign client is asked for.
type clientRun struct {
	port      string
	mechanism string
	user      string
	password  string
	cert      string // file to trust for STARTTLS; "" for a login in the clear
	dir       string // for the client's own files
}

// A mailClient is a foreign program that logs in to a server. The program ends
// with status 0 if it believes that it is logged in.
type mailClient struct {
	name       string
	mechanisms []string
	need       func(testing.TB)
	command    func(testing.TB, clientRun) *exec.Cmd
}

// fourMechanisms are those without SCRAM that clients log in with.
var fourMechanisms = []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"}

const (
	clientTimeout = patience
	message       = "From: alice@mail.example\r\nTo: bob@mail.example\r\nSubject: hello\r\n\r\nhello\r\n"
)

// run lets the client log in and returns what it printed.
func (c mailClient) run(t testing.TB, l *lab, mechanism, user, password string, w wire) (output string, err error) {
	t.Helper()
	_, port, err := net.SplitHostPort(l.addr)
	if err != nil {
		t.Fatal(err)
	}
	r := clientRun{port: port, mechanism: mechanism, user: user, password: password, dir: t.TempDir()}
	if w == startTLS {
		r.cert = l.tls.pem
	}
	ctx, cancel := context.WithTimeout(context.Background(), clientTimeout)
	defer cancel()
	made := c.command(t, r)
	cmd := exec.CommandContext(ctx, made.Path, made.Args[1:]...)
	cmd.Stdin = made.Stdin
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "LC_ALL=C.UTF-8")
	cmd.WaitDelay = patience
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// cyrusSetup serves the database that saslpasswd2 wrote.
func cyrusSetup(t testing.TB, file string) setup {
	t.Helper()
	db, err := sasldb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return setup{
		auth: &saslkit.Authenticator{
			Verifier:   db,
			Mechanisms: slices.Concat(plusMechanisms, scramMechanisms, fourMechanisms),
			Policy:     labPolicy,
		},
		channel: CertificateChannel(labTLS(t).leaf),
	}
}

// matrix runs every cell of clients: the right password, for SCRAM also that of a
// user of whom we have keys alone, and a wrong one.
func matrix(t *testing.T, clients []mailClient, start func(testing.TB, setup) *lab, refusal string) {
	file := cyrusDatabase(t)
	addKeysUser(t, file)
	for _, c := range clients {
		for _, mechanism := range c.mechanisms {
			for _, w := range []wire{inClear, startTLS} {
				if isPlus(mechanism) && !w.secure() {
					continue
				}
				t.Run(c.name+"/"+mechanism+"/"+string(w), func(t *testing.T) {
					t.Parallel()
					c.need(t)
					c.wantLogin(t, start(t, cyrusSetup(t, file)), mechanism, labUser, w)
					if isSCRAM(mechanism) {
						c.wantLogin(t, start(t, cyrusSetup(t, file)), mechanism, keysUser, w)
					}
					c.wantRefusal(t, start(t, cyrusSetup(t, file)), mechanism, w, refusal)
				})
			}
		}
	}
}

func (c mailClient) wantLogin(t *testing.T, l *lab, mechanism, user string, w wire) {
	t.Helper()
	output, err := c.run(t, l, mechanism, user, labPassword, w)
	s := l.seen(t)
	if err != nil {
		t.Fatalf("%s: %v\nit printed:\n%s\non the wire:\n%s", c.name, err, output, s.transcript)
	}
	switch mechanism {
	case "command":
		mechanism = "LOGIN" // as which IMAP's LOGIN command is logged
	case "LOGIN":
		if !loginMechanism.MatchString(s.transcript) {
			t.Errorf("%s took the LOGIN command in place of the mechanism", c.name)
		}
	}
	wantResultOf(t, s, user, mechanism, w.secure())
}

var loginMechanism = regexp.MustCompile(`(?i)AUTH(ENTICATE)? LOGIN`)

func (c mailClient) wantRefusal(t *testing.T, l *lab, mechanism string, w wire, refusal string) {
	t.Helper()
	output, err := c.run(t, l, mechanism, labUser, "wrong", w)
	s := l.seen(t)
	var status *exec.ExitError
	if !errors.As(err, &status) {
		t.Errorf("%s with a wrong password: %v\nit printed:\n%s", c.name, err, output)
	}
	if len(s.results) != 0 {
		t.Errorf("%s logged in with a wrong password: %+v", c.name, s.results)
	}
	if !strings.Contains(s.transcript, refusal) {
		t.Errorf("%s was not told %q; on the wire:\n%s", c.name, refusal, s.transcript)
	}
}

// Debian's curl is built without GNU SASL. Held to SCRAM it sends no credentials at
// all; one that is built with it logs in.
func TestCurlSCRAM(t *testing.T) {
	features := runOn(t, "", need(t, "curl"), "--version")
	knows := slices.Contains(strings.Fields(features), "gsasl")
	file := cyrusDatabase(t)
	for service, command := range map[string]func(testing.TB, clientRun) *exec.Cmd{"smtp": curlSMTP, "imap": curlIMAP} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			l := labs[service](t, cyrusSetup(t, file))
			output, err := mailClient{name: "curl", command: command}.run(t, l, scram256, labUser, labPassword, startTLS)
			s := l.seen(t)
			if knows {
				wantResult(t, s, scram256, true)
				return
			}
			if err == nil || len(s.events) != 0 {
				t.Errorf("%v, %+v\nit printed:\n%s\non the wire:\n%s", err, s.events, output, s.transcript)
			}
		})
	}
}

// gsasl breaks off before its first message when it is to do without -PLUS although
// TLS gave it something to bind to.
func TestGsaslInsistsOnBinding(t *testing.T) {
	t.Parallel()
	l := smtpLab(t, cyrusSetup(t, cyrusDatabase(t)))
	gsasl := mailClient{name: "gsasl", command: func(t testing.TB, r clientRun) *exec.Cmd {
		cmd := gsaslSMTP(t, r)
		cmd.Args = slices.DeleteFunc(cmd.Args, func(arg string) bool { return arg == "--no-cb" })
		return cmd
	}}
	output, err := gsasl.run(t, l, scram256, labUser, labPassword, startTLS)
	if s := l.seen(t); err == nil || len(s.results) != 0 {
		t.Errorf("%v, %+v\n%s\n%s", err, s.results, output, s.transcript)
	}
}

func nothingMore(testing.TB) {}

// script is a file of testdata, run by Python.
func script(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(need(t, "python3"), append([]string{filepath.Join("testdata", name)}, args...)...)
}

// withCert appends the certificate for STARTTLS, if it is wanted.
func (r clientRun) withCert(args ...string) []string {
	if r.cert != "" {
		args = append(args, r.cert)
	}
	return args
}

// feed gives a command its input: a message, or nothing where it would read the
// terminal.
func feed(cmd *exec.Cmd, stdin string) *exec.Cmd {
	cmd.Stdin = strings.NewReader(stdin)
	return cmd
}
