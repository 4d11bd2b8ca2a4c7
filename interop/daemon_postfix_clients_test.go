package interop

import (
	"fmt"
	"net"
	"net/smtp"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/saslkit/saslkit/mech"
)

// A cell is one client with one mechanism on one wire.
type cell struct {
	client    mailClient
	mechanism string
	wire      wire
}

func (c cell) name() string { return c.client.name + "/" + c.mechanism + "/" + string(c.wire) }

// user is a name that nobody else logs in with.
func (c cell) user() string {
	return strings.ToLower(c.client.name + "." + c.mechanism + "." + string(c.wire))
}

// notSpoken says why a client does not log in with the mechanisms that smtpClients does
// not list. Asked for one of them each gives up before it has sent a name.
var notSpoken = map[string]string{
	"swaks":   "knows no SCRAM",
	"msmtp":   "libgsasl's SCRAM has SHA-1 and SHA-256 only",
	"gsasl":   "libgsasl's SCRAM has SHA-1 and SHA-256 only",
	"mutt":    "libgsasl's SCRAM has SHA-1 and SHA-256 only",
	"curl":    "Debian's is built without GNU SASL",
	"smtplib": "Python knows neither SCRAM nor DIGEST-MD5",
}

// plainClients are the clients that do not only speak of channel binding, without it.
func plainClients() []mailClient {
	var clients []mailClient
	for _, c := range smtpClients {
		c.mechanisms = slices.DeleteFunc(slices.Clone(c.mechanisms), isPlus)
		if len(c.mechanisms) > 0 {
			clients = append(clients, c)
		}
	}
	return clients
}

// A tally is what became of the cells.
type tally struct {
	mu    sync.Mutex
	cells map[string]string
	ok    int
}

func (y *tally) put(c cell, word string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.cells[c.name()] = word
	if word == "ok" {
		y.ok++
	}
}

func (y *tally) table(clients []mailClient) string {
	var text strings.Builder
	for _, w := range []wire{inClear, startTLS} {
		fmt.Fprintf(&text, "\n%-14s", w)
		for _, c := range clients {
			fmt.Fprintf(&text, "%-10s", c.name)
		}
		for _, m := range nineMechanisms {
			fmt.Fprintf(&text, "\n%-14s", m)
			for _, c := range clients {
				fmt.Fprintf(&text, "%-10s", y.cells[cell{c, m, w}.name()])
			}
		}
	}
	return text.String()
}

// Every client of a Debian system with every mechanism to Postfix that asks our daemon:
// the right password is believed, a wrong one is not, and what a client cannot do does
// not come to an attempt.
func TestDaemonPostfixClients(t *testing.T) {
	t.Parallel()
	clients := plainClients()
	var cells []cell
	file := filepath.Join(t.TempDir(), "sasldb2")
	for _, c := range clients {
		for _, m := range nineMechanisms {
			for _, w := range []wire{inClear, startTLS} {
				cells = append(cells, cell{c, m, w})
				setPassword(t, file, cells[len(cells)-1].user(), labPassword)
			}
		}
	}
	site := newAuthSite(t, databaseAuth(t, file), nil)
	result := tally{cells: make(map[string]string)}
	t.Run("cells", func(t *testing.T) {
		for _, c := range cells {
			t.Run(c.name(), func(t *testing.T) {
				t.Parallel()
				c.client.need(t)
				if slices.Contains(c.client.mechanisms, c.mechanism) {
					site.wantCell(t, c)
				} else {
					site.wantNothing(t, c)
				}
				switch {
				case t.Failed():
					result.put(c, "WRONG")
				case slices.Contains(c.client.mechanisms, c.mechanism):
					result.put(c, "ok")
				default:
					result.put(c, "-")
				}
			})
		}
	})
	t.Logf("%d of %d are ok, with the right password and with a wrong one\n%s", result.ok, len(cells), result.table(clients))
	for _, c := range clients {
		if why := notSpoken[c.name]; why != "" {
			t.Logf("%s: %s", c.name, why)
		}
	}
}

// wantCell wants a wrong password to be refused and the right one to log in.
func (s *authSite) wantCell(t *testing.T, c cell) {
	t.Helper()
	output, err := c.client.run(t, s.lab, c.mechanism, c.user(), "wrong", c.wire)
	if err == nil {
		t.Errorf("a wrong password is believed; the client printed:\n%s", output)
	}
	events := s.daemon.events(c.user())
	if len(events) == 0 {
		t.Fatalf("the client asked nothing: %v\n%s\n%s", err, output, s.logged())
	}
	for _, e := range events {
		if e.Err == nil || e.Err.Class != mech.BadCredentials || e.Mechanism != c.mechanism {
			t.Errorf("with a wrong password: %+v", e)
		}
	}
	s.find(t, "SASL "+c.mechanism+" authentication failed: .*sasl_username="+c.user()+"@"+labRealm)
	if output, err = c.client.run(t, s.lab, c.mechanism, c.user(), labPassword, c.wire); err != nil {
		t.Fatalf("%v\nit printed:\n%s\n%s", err, output, s.logged())
	}
	events = s.daemon.events(c.user())[len(events):]
	if len(events) != 1 || events[0].Err != nil || events[0].Mechanism != c.mechanism || events[0].Secure != c.wire.secure() {
		t.Errorf("with the right password the daemon saw %+v; the client printed:\n%s", events, output)
	}
}

// wantNothing wants a client not to try what it cannot do.
func (s *authSite) wantNothing(t *testing.T, c cell) {
	t.Helper()
	if notSpoken[c.client.name] == "" {
		t.Errorf("nobody said why")
	}
	output, err := c.client.run(t, s.lab, c.mechanism, c.user(), labPassword, c.wire)
	if events := s.daemon.events(c.user()); err == nil || len(events) != 0 {
		t.Errorf("%v: %+v; the client printed:\n%s", err, events, output)
	}
}

// anyMechanism is a delivery for which Postfix's SMTP client chooses.
const anyMechanism = "any"

// relayTo starts an instance that passes one message on in several ways.
func relayTo(t *testing.T, deliveries []delivery) *postfix {
	t.Helper()
	p := newPostfix(t)
	var routes strings.Builder
	var transports, recipients []string
	for _, d := range deliveries {
		level, filter := "none", strings.ToLower(d.mechanism)
		if d.wire.secure() {
			level = "encrypt"
		}
		if d.mechanism == anyMechanism {
			filter = "static:all"
		}
		host, port, _ := net.SplitHostPort(d.lab.addr)
		fmt.Fprintf(&routes, "%s.example %s:[%s]:%s\n", d.transport(), d.transport(), host, port)
		transports = append(transports, fmt.Sprintf("%s unix - - n - - smtp -o smtp_sasl_mechanism_filter=%s -o smtp_tls_security_level=%s -o smtp_sasl_password_maps=static:%s:%s",
			d.transport(), filter, level, labUser, d.password))
		recipients = append(recipients, d.recipient())
	}
	p.start(t, []string{
		"myhostname = relay.example", // a server that calls itself the same would be a loop
		"mynetworks = 127.0.0.0/8",
		"transport_maps = texthash:" + p.write(t, "etc/transport", routes.String()),
		"smtp_sasl_auth_enable = yes",
		"smtp_sasl_password_maps = static:", // or those of the transports are not looked at
		"smtp_sasl_security_options = noanonymous",
		"smtp_sasl_tls_security_options = noanonymous",
	}, transports)
	if err := smtp.SendMail(p.addr, nil, "alice@mail.example", recipients, []byte(message)); err != nil {
		t.Fatalf("%v\n%s", err, p.logged())
	}
	return p
}

// Postfix's SMTP client with each mechanism to another Postfix that asks our daemon.
func TestDaemonPostfixToPostfix(t *testing.T) {
	t.Parallel()
	needCyrusModules(t)
	site := newAuthSite(t, databaseAuth(t, cyrusDatabase(t)), nil)
	var deliveries []delivery
	for _, m := range nineMechanisms {
		for _, w := range []wire{inClear, startTLS} {
			deliveries = append(deliveries, delivery{m, w, labPassword, site.lab}, delivery{m, w, "wrong", site.lab})
		}
	}
	// Not all at once: Postfix waits for our daemon for no more than 10 s.
	for some := range slices.Chunk(deliveries, 9) {
		relay := relayTo(t, some)
		for _, d := range some {
			if d.password == labPassword {
				relay.find(t, "to=<"+d.recipient()+">.*status=sent")
				site.find(t, "sasl_method="+d.mechanism+", sasl_username="+labUser+"@"+labRealm)
			} else {
				relay.find(t, "to=<"+d.recipient()+">.*status=deferred .*SASL authentication failed.* 535 5.7.8")
			}
		}
	}
}

// choosers are the clients that choose among what is offered.
var choosers = []mailClient{
	{"swaks", nil, needSwaks, func(t testing.TB, r clientRun) *exec.Cmd {
		return without(swaks(t, r), func(arg string) bool { return arg == r.mechanism })
	}},
	{"msmtp", nil, nothingMore, func(t testing.TB, r clientRun) *exec.Cmd {
		r.mechanism = "on"
		return msmtp(t, r)
	}},
	{"curl", nil, nothingMore, func(t testing.TB, r clientRun) *exec.Cmd {
		r.mechanism = "*"
		return curlSMTP(t, r)
	}},
	{"gsasl", nil, nothingMore, func(t testing.TB, r clientRun) *exec.Cmd {
		cmd := gsaslSMTP(t, r)
		cmd.Args = append(cmd.Args, "--no-cb")
		return without(cmd, func(arg string) bool { return strings.HasPrefix(arg, "--mechanism=") })
	}},
	{"mutt", nil, nothingMore, func(t testing.TB, r clientRun) *exec.Cmd {
		r.mechanism = ""
		return mutt(t, r)
	}},
	{"smtplib", nil, nothingMore, func(t testing.TB, r clientRun) *exec.Cmd {
		return script(t, "daemon_postfix_smtplib.py", r.withCert(r.port, r.user, r.password)...)
	}},
}

func without(cmd *exec.Cmd, drop func(arg string) bool) *exec.Cmd {
	cmd.Args = slices.DeleteFunc(cmd.Args, drop)
	return cmd
}

// A store that only checks passwords leaves PLAIN and LOGIN, of which every client can
// do one. Of a store of passwords they take what they think best.
func TestDaemonPostfixChoosers(t *testing.T) {
	t.Parallel()
	file := cyrusDatabase(t)
	sites := map[string]*authSite{
		"checks":    newAuthSite(t, passwordAuth(t, file), nil),
		"passwords": newAuthSite(t, databaseAuth(t, file), nil),
	}
	for _, w := range []wire{inClear, startTLS} {
		if got, _ := offeredTo(t, sites["checks"].lab, w); !slices.Equal(got, []string{"PLAIN", "LOGIN"}) {
			t.Errorf("offered: %q", got)
		}
	}
	for store, site := range sites {
		for _, c := range choosers {
			t.Run(store+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				c.need(t)
				if output, err := c.run(t, site.lab, "chosen", labUser, labPassword, startTLS); err != nil {
					t.Errorf("%v\nit printed:\n%s\n%s", err, output, site.logged())
				}
				if output, err := c.run(t, site.lab, "chosen", "bob", "wrong", startTLS); err == nil {
					t.Errorf("a wrong password is believed; it printed:\n%s", output)
				}
			})
		}
		t.Run(store+"/postfix", func(t *testing.T) {
			t.Parallel()
			needCyrusModules(t)
			relayTo(t, []delivery{{anyMechanism, startTLS, labPassword, site.lab}}).find(t, "to=<.*status=sent")
		})
	}
}
