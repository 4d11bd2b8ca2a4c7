package interop

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier/acting"
)

const (
	labFull = labUser + "@" + labRealm
	// sales is whom alice may act as. It has no password.
	sales = "sales@" + labRealm
	// desk is whom she may not act as.
	desk = "desk@" + labRealm
)

// actingAuth serves alice, who may act as sales.
func actingAuth(t testing.TB) *saslkit.Authenticator {
	t.Helper()
	rules, err := acting.Parse("acting", strings.NewReader("alice sales\n"), acting.Options{Realm: realm.Policy{Default: labRealm}})
	if err != nil {
		t.Fatal(err)
	}
	auth := labAuth()
	auth.Authorizer = rules
	return auth
}

// carriers are the mechanisms that name whom to act as; of SCRAM's one stands for all.
var carriers = []string{"PLAIN", "DIGEST-MD5", scram256}

// actingClient is our client with an authorization identity.
func actingClient(t testing.TB, service, mechanism, authzid, password string) *saslkit.ClientExchange {
	t.Helper()
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: password, Authzid: authzid},
		Mechanisms:  []string{mechanism},
		Policy:      labPolicy,
		Service:     service,
		Host:        "localhost",
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// An actingTry is one login with an authorization identity, and what comes of it.
type actingTry struct {
	name, authzid, password string
	acts                    string // as whom; "" for nobody
	class                   mech.Class
}

var actingTries = []actingTry{
	{"allowed", sales, labPassword, sales, 0},
	{"oneself", labUser, labPassword, labUser, 0},
	{"oneself in another spelling", labFull, labPassword, labUser, 0},
	{"not allowed", desk, labPassword, "", mech.NotPermitted},
	{"another case", "Sales@" + labRealm, labPassword, "", mech.NotPermitted},
	{"a realm that is not served", "sales@else.example", labPassword, "", mech.NotPermitted},
	// Whether something is allowed is nothing for who does not know the password.
	{"allowed, wrong password", sales, "wrong", "", mech.BadCredentials},
	{"not allowed, wrong password", desk, "wrong", "", mech.BadCredentials},
}

// check compares what the server saw.
func (a actingTry) check(t *testing.T, s sighting) {
	t.Helper()
	if len(s.events) != 1 {
		t.Fatalf("%d logins were seen; on the wire:\n%s", len(s.events), s.transcript)
	}
	if a.acts == "" {
		if len(s.results) != 0 || s.events[0].Err == nil || s.events[0].Err.Class != a.class {
			t.Errorf("%+v, %+v", s.results, s.events[0])
		}
		return
	}
	if len(s.results) != 1 || s.results[0].User != labUser || s.results[0].Realm != labRealm || s.results[0].Authzid != a.acts {
		t.Errorf("%+v, want %s as %s; on the wire:\n%s", s.results, labUser, a.acts, s.transcript)
	}
	if logged := s.events[0].Authzid; (logged == a.acts) != (a.acts != labUser) {
		t.Errorf("logged as acting as %q", logged)
	}
}

func TestActingSMTP(t *testing.T) {
	for _, mechanism := range carriers {
		for _, try := range actingTries {
			t.Run(mechanism+"/"+try.name, func(t *testing.T) {
				t.Parallel()
				l := smtpLab(t, setup{auth: actingAuth(t)})
				c := dialSMTP(t, l, inClear, mechanism)
				err := c.Auth(actingClient(t, "smtp", mechanism, try.authzid, try.password))
				if try.acts == "" {
					wantSMTPError(t, err, 535, smtp.EnhancedCode{5, 7, 8})
				} else if err != nil {
					t.Fatal(err)
				}
				c.Close()
				try.check(t, l.seen(t))
			})
		}
	}
}

func TestActingIMAP(t *testing.T) {
	for _, mechanism := range carriers {
		for _, try := range actingTries {
			t.Run(mechanism+"/"+try.name, func(t *testing.T) {
				t.Parallel()
				l := imapLab(t, setup{auth: actingAuth(t)})
				c := dialIMAP(t, l, inClear, mechanism)
				err := c.Authenticate(actingClient(t, "imap", mechanism, try.authzid, try.password))
				switch try.class {
				case mech.NotPermitted:
					wantIMAPError(t, err, imap.StatusResponseTypeNo, imap.ResponseCodeAuthorizationFailed)
				case mech.BadCredentials:
					wantIMAPError(t, err, imap.StatusResponseTypeNo, imap.ResponseCodeAuthenticationFailed)
				default:
					if err != nil {
						t.Fatal(err)
					}
				}
				c.Close()
				try.check(t, l.seen(t))
			})
		}
	}
}

// go-sasl's clients say whom to act as, and who has a certificate may as well. What the
// certificate says is not in the default realm.
func TestActingGoSASL(t *testing.T) {
	t.Parallel()
	rules, err := acting.Parse("acting", strings.NewReader(labFull+" "+sales+"\n"+labUser+" "+sales+"\n"), acting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, client := range map[string]func(authzid string) sasl.Client{
		"PLAIN":    func(authzid string) sasl.Client { return sasl.NewPlainClient(authzid, labUser, labPassword) },
		"EXTERNAL": sasl.NewExternalClient,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			auth := labAuth()
			auth.Authorizer = rules
			l := smtpLab(t, setup{auth: auth})
			c := dialSMTP(t, l, startTLS, name)
			wantSMTPError(t, c.Auth(client(desk)), 535, smtp.EnhancedCode{5, 7, 8})
			if err := c.Auth(client(sales)); err != nil {
				t.Fatal(err)
			}
			c.Close()
			if s := l.seen(t); len(s.results) != 1 || s.results[0].User != labUser || s.results[0].Authzid != sales {
				t.Errorf("%+v", s.results)
			}
		})
	}
}

// Foreign clients that can name whom to act as.
var actingClients = map[string]struct {
	mechanisms []string
	smtp, imap func(t testing.TB, r clientRun, authzid string) *exec.Cmd
}{
	"gsasl": {carriers, gsaslAs("--smtp"), gsaslAs("--imap")},
	"curl":  {[]string{"PLAIN"}, curlAs(curlSMTP), curlAs(curlIMAP)},
}

func gsaslAs(protocol string) func(testing.TB, clientRun, string) *exec.Cmd {
	return func(t testing.TB, r clientRun, authzid string) *exec.Cmd {
		cmd := gsasl(t, r, protocol)
		cmd.Args = append(cmd.Args, "--authorization-id="+authzid)
		return cmd
	}
}

func curlAs(command func(testing.TB, clientRun) *exec.Cmd) func(testing.TB, clientRun, string) *exec.Cmd {
	return func(t testing.TB, r clientRun, authzid string) *exec.Cmd {
		cmd := command(t, r)
		cmd.Args = append(cmd.Args, "--sasl-authzid", authzid)
		return cmd
	}
}

func TestActingClients(t *testing.T) {
	for name, client := range actingClients {
		for service, command := range map[string]func(testing.TB, clientRun, string) *exec.Cmd{"smtp": client.smtp, "imap": client.imap} {
			for _, mechanism := range client.mechanisms {
				for _, authzid := range []string{sales, labFull, desk} {
					t.Run(strings.Join([]string{name, service, mechanism, authzid}, "/"), func(t *testing.T) {
						t.Parallel()
						l := labs[service](t, setup{auth: actingAuth(t)})
						as := mailClient{name: name, command: func(t testing.TB, r clientRun) *exec.Cmd { return command(t, r, authzid) }}
						output, err := as.run(t, l, mechanism, labUser, labPassword, inClear)
						try := actingTry{authzid: authzid, acts: authzid}
						switch authzid {
						case desk:
							try.acts, try.class = "", mech.NotPermitted
						case labFull:
							try.acts = labUser
						}
						if (err == nil) != (try.acts != "") {
							t.Errorf("%v\nit printed:\n%s", err, output)
						}
						try.check(t, l.seen(t))
					})
				}
			}
		}
	}
}
