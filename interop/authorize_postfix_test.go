package interop

import (
	"os/exec"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit/mech"
)

// Who acts as another is that other to Postfix: in its log, and where it asks whose
// address a sender's is.
func TestActingPostfix(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t, actingAuth(t), map[string][]string{
		// Every address is that of sales.
		"owned": {"smtpd_sender_restrictions=reject_sender_login_mismatch", "smtpd_sender_login_maps=static:" + sales},
	})
	t.Run("clients", func(t *testing.T) {
		for name, client := range actingClients {
			for _, mechanism := range client.mechanisms {
				t.Run(name+"/"+mechanism, func(t *testing.T) {
					t.Parallel()
					for _, authzid := range []string{sales, labFull, desk} {
						as := mailClient{name: name, command: func(t testing.TB, r clientRun) *exec.Cmd { return client.smtp(t, r, authzid) }}
						output, err := as.run(t, site.lab, mechanism, labUser, labPassword, inClear)
						if (err == nil) != (authzid != desk) {
							t.Errorf("as %s: %v\nit printed:\n%s", authzid, err, output)
						}
					}
				})
			}
		}
	})
	for _, mechanism := range carriers {
		for _, authzid := range []string{sales, labFull} { // gsasl sends no mail
			c := dialSMTP(t, site.lab, inClear, mechanism)
			if err := c.Auth(actingClient(t, "smtp", mechanism, authzid, labPassword)); err != nil {
				t.Fatalf("%s as %s: %v\n%s", mechanism, authzid, err, site.logged())
			}
			sendMail(t, c)
		}
		if err := dialSMTP(t, site.lab, inClear, mechanism).Auth(actingClient(t, "smtp", mechanism, desk, labPassword)); err == nil {
			t.Errorf("%s as %s: let in", mechanism, desk)
		}
		site.find(t, "sasl_method="+mechanism+", sasl_username="+sales+"$")
		site.find(t, "sasl_method="+mechanism+", sasl_username="+labFull+"$")
		site.find(t, "SASL "+mechanism+" authentication failed: .*sasl_username="+labFull)
	}
	for _, e := range site.daemon.events(labUser) {
		if e.Authzid != "" && e.Authzid != sales || e.Err != nil && e.Err.Class != mech.NotPermitted {
			t.Errorf("seen by the daemon: %+v", e)
		}
	}
	for authzid, code := range map[string]int{sales: 0, "": 553} {
		c := dialSMTP(t, site.ports["owned"], inClear, "PLAIN")
		if err := c.Auth(actingClient(t, "smtp", "PLAIN", authzid, labPassword)); err != nil {
			t.Fatal(err)
		}
		err := c.Mail("info@mail.example", nil)
		if err == nil {
			err = c.Rcpt("bob@else.example", nil)
		}
		if code != 0 {
			wantSMTPError(t, err, code, smtp.EnhancedCode{5, 7, 1})
		} else if err != nil {
			t.Errorf("acting as %q: %v", authzid, err)
		}
	}
}
