package interop

import (
	"strings"
	"testing"

	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// Postfix never says that a client gave up: what its clients leave piles up on a connection
// that many of them share. When there is no room the connection ends, with everything that
// was left, and so 454 is said once.
func TestDaemonPostfixAbandoned(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t, repliesAuth(&verifiertest.Faulty{}), map[string][]string{
		"patient": {"smtpd_soft_error_limit=100000", "smtpd_hard_error_limit=100000", "smtpd_forbidden_commands="},
	})
	d, _ := smtpDialog(t, site.ports["patient"], inClear)
	const enough = 1200 // more than the 1,024 that a connection bears
	refused := 0
	// At once, for what a client left is forgotten after some minutes.
	d.say(strings.TrimSuffix(strings.Repeat("AUTH CRAM-MD5\r\n*\r\n", enough), "\r\n"))
	for range enough {
		switch answer := d.line(); {
		case strings.HasPrefix(answer, "454 4.7.0"):
			refused++
			d.expect("500 5.5.2") // what "*" is then
		case strings.HasPrefix(answer, "334 "):
			d.expect("501 5.7.0")
		default:
			t.Fatalf("%q\n%s", answer, site.logged())
		}
	}
	if refused == 0 || refused > 2 {
		t.Errorf("of %d logins %d were told to come back later", enough, refused)
	}
	if got := d.login("CRAM-MD5", labPassword); !strings.HasPrefix(got, "235 ") {
		t.Errorf("the login after them: %q\n%s", got, site.logged())
	}
}

// What saslpasswd2 changes holds for the next AUTH, on a session that was open before and
// with a process that has its connection to the daemon.
func TestDaemonPostfixChanges(t *testing.T) {
	t.Parallel()
	file := cyrusDatabase(t)
	site := newAuthSite(t, databaseAuth(t, file), nil)
	d, _ := smtpDialog(t, site.lab, inClear)
	try := func(password, reply string) {
		t.Helper()
		for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "CRAM-MD5"} {
			if got := d.login(m, password); !strings.HasPrefix(got, reply) {
				t.Errorf("%s: %q, want %s", m, got, reply)
			} else if reply == "235 " {
				d, _ = smtpDialog(t, site.lab, inClear) // who is logged in may not try again
			}
		}
	}
	try(labPassword, "235 ")
	for _, password := range []string{"second", "third"} {
		setPassword(t, file, labUser, password)
		try(labPassword, "535 5.7.8")
		try(password, "235 ")
	}
	deleteUser(t, file, labUser)
	try("third", "535 5.7.8")
}

// Another configuration of the daemon holds for the next AUTH. What EHLO shows is that of
// the connection, until it ends.
func TestDaemonPostfixReload(t *testing.T) {
	t.Parallel()
	file := cyrusDatabase(t)
	site := newAuthSite(t, databaseAuth(t, file), nil)
	d, _ := smtpDialog(t, site.lab, inClear)
	d.follow([]string{"C: AUTH PLAIN " + b64("\x00"+labUser+"\x00wrong"), "S: 535 5.7.8"})
	site.daemon.handler.Current.Set(&daemon.Site{Auth: passwordAuth(t, file), Realm: realm.Policy{Default: labRealm}})
	for _, m := range []string{"CRAM-MD5", "SCRAM-SHA-256"} {
		if got := d.login(m, labPassword); !strings.HasPrefix(got, "535 5.7.8") {
			t.Errorf("%s, which is not served any more: %q", m, got)
		}
	}
	d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235 2.7.0"})
}
