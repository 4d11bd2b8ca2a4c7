package interop

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// cyrusPostfix is today's reference: Postfix with Cyrus SASL over a sasldb2.
func cyrusPostfix(t *testing.T, db string) (*postfix, *lab) {
	t.Helper()
	return cyrusPostfixOffering(t, db, fourMechanisms)
}

func cyrusPostfixOffering(t *testing.T, db string, mechanisms []string) (*postfix, *lab) {
	t.Helper()
	needCyrusModules(t)
	p := newPostfix(t)
	l := &lab{addr: p.addr, tls: labTLS(t)}
	database, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	file := p.write(t, "sasldb2", string(database))
	p.give(t, "sasldb2")
	conf := p.write(t, "etc/sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+file+
		"\nmech_list: "+strings.Join(mechanisms, " ")+"\n")
	p.start(t, []string{
		"myhostname = mail.example",
		"mynetworks = 192.0.2.1/32",
		"smtpd_relay_restrictions = permit_sasl_authenticated, reject",
		"default_transport = discard:",
		"smtpd_sasl_auth_enable = yes",
		"smtpd_sasl_type = cyrus",
		"smtpd_sasl_path = smtpd",
		"cyrus_sasl_config_path = " + filepath.Dir(conf),
		"smtpd_sasl_local_domain = " + labRealm,
		"smtpd_sasl_security_options = noanonymous",
		"smtpd_tls_security_level = may",
		"smtpd_tls_chain_files = " + l.tls.key + ", " + l.tls.pem,
	}, nil)
	return p, l
}

// Our client against Postfix with Cyrus SASL: every mechanism that it offers,
// the proof of the server where there is one, and a wrong password.
func TestPostfixServer(t *testing.T) {
	t.Parallel()
	p, l := cyrusPostfix(t, cyrusDatabase(t))
	for _, w := range []wire{inClear, startTLS} {
		c := helloSMTP(t, l, w)
		_, list := c.Extension("AUTH")
		offered := strings.Fields(list)
		if slices.Sort(offered); !slices.Equal(offered, slices.Sorted(slices.Values(fourMechanisms))) {
			t.Fatalf("Postfix offers %q, want %q\n%s", offered, fourMechanisms, p.logged())
		}
		c.Close()
		for _, mechanism := range offered {
			t.Run(mechanism+"/"+string(w), func(t *testing.T) {
				c := helloSMTP(t, l, w)
				wantSMTPError(t, c.Auth(ourSMTPClient(t, c, mechanism, "wrong")), 535, smtp.EnhancedCode{5, 7, 8})
				// Another connection: go-smtp's client says * after the refusal,
				// and Postfix hangs up on what is no command.
				c = helloSMTP(t, l, w)
				x := ourSMTPClient(t, c, mechanism, labPassword)
				if err := c.Auth(x); err != nil {
					t.Fatalf("%v\n%s", err, p.logged())
				}
				if err := x.Finish(); err != nil {
					t.Fatal(err)
				}
				sendMail(t, c)
				p.find(t, "sasl_method="+mechanism+", sasl_username="+labUser+"@"+labRealm)
			})
		}
	}
	t.Run("the strongest", func(t *testing.T) {
		c := helloSMTP(t, l, startTLS)
		_, list := c.Extension("AUTH")
		x, err := saslkit.NewClient(saslkit.ClientConfig{
			Credentials: saslkit.Credentials{Username: labUser, Password: labPassword},
			Offered:     strings.Fields(list),
			Channel:     saslkit.Channel{Secure: true},
			Service:     "smtp",
			Host:        "mail.example",
		})
		if err != nil {
			t.Fatal(err)
		}
		// The MD5 mechanisms are used only if asked for by name.
		if got := x.Mechanism(); got != mech.PLAIN.Name {
			t.Errorf("our client takes %s, want PLAIN", got)
		}
		if err := c.Auth(x); err != nil {
			t.Error(err)
		}
	})
}

func helloSMTP(t testing.TB, l *lab, w wire) *smtp.Client {
	t.Helper()
	c := dialSMTP(t, l, w, "")
	c.CommandTimeout = patience
	if err := c.Hello("client.example"); err != nil {
		t.Fatal(err)
	}
	return c
}
