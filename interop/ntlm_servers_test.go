package interop

import (
	"errors"
	"slices"
	"testing"

	"github.com/Azure/go-ntlmssp"
	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
)

// azureClient is Azure/go-ntlmssp as a client of go-sasl. A domain stands before the
// name, with a backslash.
type azureClient struct{ user, password string }

func (c azureClient) Start() (string, []byte, error) {
	first, err := ntlmssp.NewNegotiateMessage("", "")
	return "NTLM", first, err
}

func (c azureClient) Next(challenge []byte) ([]byte, error) {
	return ntlmssp.NewAuthenticateMessage(challenge, c.user, c.password, nil)
}

// go-ntlmssp against our server, with the ways to say a domain.
func TestAzureClientNTLM(t *testing.T) {
	t.Parallel()
	for held, store := range ntlmStores(t) {
		for _, c := range []struct {
			user, password string
			ok             bool
		}{
			{labUser, labPassword, true},
			{labUser + "@" + labRealm, labPassword, true},
			{labRealm + `\` + labUser, labPassword, true},
			{`MAIL.EXAMPLE\` + labUser, labPassword, true},
			{`WORKGROUP\` + labUser, labPassword, true},
			{labUser, "wrong", false},
			{"nobody", labPassword, false},
			{utf8User, cyrusUsers[utf8User], held == "password"},
		} {
			l := smtpLab(t, ntlmSetup(store))
			err := helloSMTP(t, l, startTLS).Auth(azureClient{c.user, c.password})
			var refusal *smtp.SMTPError
			if (err == nil) != c.ok || err != nil && (!errors.As(err, &refusal) || refusal.Code != 535) {
				t.Errorf("%s, %s: %v", held, c.user, err)
			}
		}
	}
}

// Our client against our server, over SMTP.
func TestOurNTLM(t *testing.T) {
	t.Parallel()
	for held, store := range ntlmStores(t) {
		l := smtpLab(t, ntlmSetup(store))
		for _, w := range []wire{inClear, startTLS} {
			if err := authOnSMTP(t, l, w, "NTLM", labUser, labPassword); err != nil {
				t.Errorf("%s, %s: %v", held, w, err)
			}
			wantSMTPError(t, authOnSMTP(t, l, w, "NTLM", labUser, "wrong"), 535, smtp.EnhancedCode{5, 7, 8})
		}
	}
}

// Our client against the server half of libsasl2, which tells no time and computes from
// the password in sasldb2. Of each character it keeps seven bits, so that a name beyond
// ASCII is another.
func TestCyrusServerNTLM(t *testing.T) {
	t.Parallel()
	const badAuth, noUser = -13, -20
	s := newLibsasl2Server(t, scramDatabase(t))
	for _, c := range []struct {
		user, password string
		code           int
	}{
		{labUser, labPassword, 0},
		{labUser, "wrong", badAuth},
		{utf8User, cyrusUsers[utf8User], noUser},
	} {
		a := login{mechanism: "NTLM", user: c.user, password: c.password}
		err := a.into(t, s.server("NTLM", noBinding))
		var refusal *libsasl2Refusal
		if c.code == 0 && err != nil || c.code != 0 && (!errors.As(err, &refusal) || refusal.code != c.code) {
			t.Errorf("%s with %q: %v, want code %d", c.user, c.password, err, c.code)
		}
	}
}

// Our client against Postfix with Cyrus SASL and sasldb2.
func TestPostfixServerNTLM(t *testing.T) {
	t.Parallel()
	p, l := cyrusPostfixOffering(t, scramDatabase(t), []string{"NTLM"})
	for _, w := range []wire{inClear, startTLS} {
		if err := authOnSMTP(t, l, w, "NTLM", labUser, labPassword); err != nil {
			t.Errorf("%s: %v\n%s", w, err, p.logged())
		}
		wantSMTPError(t, authOnSMTP(t, l, w, "NTLM", labUser, "wrong"), 535, smtp.EnhancedCode{5, 7, 8})
	}
}

// What Postfix lists is what our client needs to be told by name.
func TestNTLMIsNotChosen(t *testing.T) {
	t.Parallel()
	cfg := saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: labPassword},
		Offered:     []string{"NTLM"}, Channel: saslkit.Channel{Secure: true},
	}
	if _, err := saslkit.NewClient(cfg); err == nil {
		t.Error("chosen without being named")
	}
	if i := slices.IndexFunc(cfg.Candidates(), func(c saslkit.Candidate) bool { return c.Mechanism == "NTLM" && !c.Usable }); i < 0 {
		t.Error("it is not explained")
	}
}
