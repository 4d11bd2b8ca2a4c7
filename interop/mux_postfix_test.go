//go:build linux

package interop

import (
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// Postfix with Cyrus SASL asks our mux: 235 and 535, and 454 in trouble.
func TestMuxPostfix(t *testing.T) {
	t.Parallel()
	needCyrusModules(t)
	store := &switched{Verifier: verifiertest.NewMemory(
		verifiertest.User{Name: labUser, Realm: labRealm, Password: labPassword},
		verifiertest.User{Name: "bob", Realm: "other.example", Password: "elsewhere"},
	)}
	m := startMux(t, store, realm.Policy{Default: labRealm, Others: []string{"other.example"}})
	p := newPostfix(t)
	p.write(t, "etc/sasl/smtpd.conf", "pwcheck_method: saslauthd\nsaslauthd_path: "+m.socket()+"\nmech_list: PLAIN LOGIN\n")
	p.start(t, []string{
		"myhostname = mail.example",
		"mynetworks = 192.0.2.1/32",
		"smtpd_relay_restrictions = permit_sasl_authenticated, reject",
		"default_transport = discard:",
		"smtpd_sasl_auth_enable = yes",
		"smtpd_sasl_type = cyrus",
		"smtpd_sasl_path = smtpd",
		"smtpd_sasl_security_options = noanonymous",
	}, nil)
	l := &lab{addr: p.addr, tls: labTLS(t)}
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		for _, c := range []struct {
			user, password string
			code           int
		}{
			{labUser, labPassword, 235},
			{labUser, "wrong", 535},
			{labUser + "@" + labRealm, labPassword, 235},
			{"bob@other.example", "elsewhere", 235},
			{"bob", "elsewhere", 535},
			{"bob@evil.example", "elsewhere", 535},
			{"nobody-here", labPassword, 535},
			{labUser, strings.Repeat("x", 300), 535},
		} {
			if got := smtpCode(t, authOn(t, l, mechanism, c.user, c.password)); got != c.code {
				t.Errorf("%s: %s by %.20s: %d, want %d\n%s", mechanism, c.user, c.password, got, c.code, p.logged())
			}
		}
	}
	store.set(verifier.ErrUnavailable)
	for _, trouble := range []string{"a store in trouble", "no daemon"} {
		if got := smtpCode(t, authOn(t, l, "PLAIN", labUser, labPassword)); got != 454 {
			t.Errorf("%s: %d, want 454\n%s", trouble, got, p.logged())
		}
		m.stop()
	}
}

// smtpCode is the code with which a login ended.
func smtpCode(t *testing.T, err error) int {
	t.Helper()
	var refusal *smtp.SMTPError
	switch {
	case err == nil:
		return 235
	case errors.As(err, &refusal):
		return refusal.Code
	}
	t.Fatal(err)
	return 0
}
