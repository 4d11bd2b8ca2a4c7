package interop

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// nineMechanisms are those that a mail server can pass on to a daemon: channel binding
// needs the connection itself.
var nineMechanisms = slices.Concat(scramMechanisms, fourMechanisms)

// An authDaemon is our server of Dovecot's auth protocol on a unix socket.
type authDaemon struct {
	socket  daemon.Socket
	wrap    func(net.Listener) net.Listener // nil: as it is
	handler *daemon.Dovecot
	stop    func(testing.TB)

	mu   sync.Mutex
	seen []saslkit.Event
}

// serve starts it until the test ends. It takes note of every login.
func (d *authDaemon) serve(t testing.TB, auth *saslkit.Authenticator) {
	t.Helper()
	auth.Observer = func(e saslkit.Event) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.seen = append(d.seen, e)
	}
	d.handler = &daemon.Dovecot{Current: daemon.NewCurrent(&daemon.Site{Auth: auth, Realm: realm.Policy{Default: labRealm}})}
	d.start(t)
	t.Cleanup(func() { d.stop(t) })
}

// start listens where the daemon listened before.
func (d *authDaemon) start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := daemon.Listen(ctx, d.socket)
	if err != nil {
		t.Fatal(err)
	}
	if d.wrap != nil {
		ln = d.wrap(ln)
	}
	served := make(chan error, 1)
	go func() { served <- (&daemon.Server{Handler: d.handler, Grace: 100 * time.Millisecond}).Serve(ctx, ln) }()
	d.stop = func(t testing.TB) {
		t.Helper()
		cancel()
		select {
		case err := <-served:
			if err != nil {
				t.Errorf("the daemon ended: %v", err)
			}
		case <-time.After(patience):
			t.Error("the daemon does not end")
		}
		d.stop = func(testing.TB) {}
	}
}

// events are the logins of a user, by the name that the client sent.
func (d *authDaemon) events(user string) []saslkit.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.seen), func(e saslkit.Event) bool { return e.User != user })
}

// An authSite is Postfix that asks our daemon. It has a port for each variant of its
// configuration.
type authSite struct {
	*postfix
	*lab   // that of no variant
	daemon *authDaemon
	ports  map[string]*lab
}

// newAuthSite starts both. Variants are options of smtpd, by a name for the test.
func newAuthSite(t testing.TB, auth *saslkit.Authenticator, variants map[string][]string) *authSite {
	t.Helper()
	p := newPostfix(t)
	site := &authSite{postfix: p, lab: &lab{addr: p.addr, tls: labTLS(t)}, ports: map[string]*lab{}}
	// Before Postfix, whose smtpd ends if nobody listens.
	site.daemon = &authDaemon{socket: daemon.Socket{Path: filepath.Join(p.dir, "auth"), Owner: "postfix"}}
	site.daemon.serve(t, auth)
	var services []string
	for name, options := range variants {
		port := &lab{addr: net.JoinHostPort("127.0.0.1", freePort(t)), tls: site.tls}
		site.ports[name] = port
		services = append(services, fmt.Sprintf("%s inet n - n - - smtpd -o %s", port.addr, strings.Join(options, " -o ")))
	}
	p.start(t, []string{
		"myhostname = mail.example",
		"mynetworks = 192.0.2.1/32",
		"smtpd_relay_restrictions = permit_sasl_authenticated, reject",
		"default_transport = discard:",
		"smtpd_sasl_auth_enable = yes",
		"smtpd_sasl_type = dovecot",
		"smtpd_sasl_path = " + site.daemon.socket.Path,
		"smtpd_sasl_security_options = noanonymous",
		"smtpd_sasl_authenticated_header = yes",
		"header_checks = regexp:" + p.write(t, "etc/headers", "/^Received:/ WARN\n"),
		"smtpd_tls_security_level = may",
		"smtpd_tls_chain_files = " + site.tls.key + ", " + site.tls.pem,
	}, services)
	return site
}

// databaseAuth serves the users that saslpasswd2 wrote by all nine mechanisms.
func databaseAuth(t testing.TB, file string) *saslkit.Authenticator {
	t.Helper()
	db, err := sasldb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return &saslkit.Authenticator{Verifier: db, Mechanisms: nineMechanisms, Policy: labPolicy}
}

// offeredTo is what EHLO shows, and whether also in the way of old clients.
func offeredTo(t testing.TB, l *lab, w wire) (mechanisms []string, oldWay bool) {
	t.Helper()
	_, extensions := smtpDialog(t, l, w)
	for _, e := range extensions {
		if list, ok := strings.CutPrefix(e, "AUTH "); ok {
			mechanisms = strings.Fields(list)
		}
		oldWay = oldWay || strings.HasPrefix(e, "AUTH=")
	}
	return mechanisms, oldWay
}

// What Postfix's options make of the mechanisms that our daemon announces.
func TestDaemonPostfixOffers(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t, databaseAuth(t, cyrusDatabase(t)), map[string][]string{
		"TLS only":      {"smtpd_tls_auth_only=yes"},
		"noplaintext":   {"smtpd_sasl_security_options=noanonymous,noplaintext", "smtpd_sasl_tls_security_options=noanonymous"},
		"nodictionary":  {"smtpd_sasl_security_options=nodictionary"},
		"noactive":      {"smtpd_sasl_security_options=noactive"},
		"mutual_auth":   {"smtpd_sasl_security_options=mutual_auth"},
		"old clients":   {"broken_sasl_auth_clients=yes"},
		"Postfix's own": {"smtpd_sasl_mechanism_filter=plain,login"},
	})
	hashed := slices.Concat(scramMechanisms, []string{"CRAM-MD5", "DIGEST-MD5"})
	for _, tc := range []struct {
		variant string
		wire    wire
		want    []string
		oldWay  bool
	}{
		{"", inClear, nineMechanisms, false},
		{"", startTLS, nineMechanisms, false},
		{"TLS only", inClear, nil, false},
		{"TLS only", startTLS, nineMechanisms, false},
		{"noplaintext", inClear, hashed, false},
		{"noplaintext", startTLS, nineMechanisms, false},
		// In the words of Dovecot's protocol these are said of CRAM-MD5 and DIGEST-MD5 alone.
		{"nodictionary", inClear, append(slices.Clone(scramMechanisms), "PLAIN", "LOGIN"), false},
		{"noactive", inClear, append(slices.Clone(scramMechanisms), "PLAIN", "LOGIN"), false},
		{"mutual_auth", inClear, append(slices.Clone(scramMechanisms), "DIGEST-MD5"), false},
		{"old clients", inClear, nineMechanisms, true},
		{"Postfix's own", inClear, []string{"PLAIN", "LOGIN"}, false},
	} {
		t.Run(tc.variant+"/"+string(tc.wire), func(t *testing.T) {
			l := site.lab
			if tc.variant != "" {
				l = site.ports[tc.variant]
			}
			got, oldWay := offeredTo(t, l, tc.wire)
			if diff := cmp.Diff(tc.want, got); diff != "" || oldWay != tc.oldWay {
				t.Errorf("offered (-want +got), AUTH= %v:\n%s%s", oldWay, diff, site.logged())
			}
		})
	}
	t.Run("asked for all the same", func(t *testing.T) {
		d, _ := smtpDialog(t, site.ports["TLS only"], inClear)
		d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 503 5.5.1"})
		d, _ = smtpDialog(t, site.ports["noplaintext"], inClear)
		d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 535 5.7.8"})
		for _, variant := range []string{"TLS only", "noplaintext"} {
			d, _ = smtpDialog(t, site.ports[variant], startTLS)
			d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235 2.7.0"})
		}
	})
}

// What the daemon says of a user is what Postfix logs and writes into the message.
func TestDaemonPostfixNames(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t, databaseAuth(t, cyrusDatabase(t)), nil)
	const full = labUser + "@" + labRealm
	for _, name := range []string{labUser, full} {
		c := helloSMTP(t, site.lab, inClear)
		x := ourSMTPClientAs(t, c, "SCRAM-SHA-256", name, labPassword)
		if err := c.Auth(x); err != nil {
			t.Fatalf("%v\n%s", err, site.logged())
		}
		sendMail(t, c)
	}
	site.find(t, "sasl_method=SCRAM-SHA-256, sasl_username="+full+"$")
	site.find(t, `header Received: .*\(Authenticated sender: `+full+`\)`)
	d, _ := smtpDialog(t, site.lab, startTLS)
	d.follow([]string{"C: AUTH PLAIN " + b64("\x00"+labUser+"\x00wrong"), "S: 535 5.7.8"})
	site.find(t, "SASL PLAIN authentication failed: .*sasl_username="+full)
	for _, e := range site.daemon.events(labUser) {
		if e.Service != "smtp" || e.Remote.Addr().String() != "127.0.0.1" || e.Secure != (e.Err != nil) {
			t.Errorf("seen by the daemon: %+v", e)
		}
	}
}

// checkOnly hides what a store holds: it only checks passwords.
type checkOnly struct{ verifier.Verifier }

// passwordAuth is the configuration of such a store that names no mechanisms.
func passwordAuth(t testing.TB, file string) *saslkit.Authenticator {
	t.Helper()
	auth := databaseAuth(t, file)
	return &saslkit.Authenticator{Verifier: checkOnly{auth.Verifier}, Policy: mech.Policy{Clear: mech.AnyMechanism | mech.NoAnonymous}}
}
