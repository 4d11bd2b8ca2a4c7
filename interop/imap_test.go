package interop

import (
	"errors"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// dialIMAP connects go-imap's client, with alice's certificate under TLS if the
// mechanism needs one.
func dialIMAP(t testing.TB, l *lab, w wire, mechanism string) *imapclient.Client {
	t.Helper()
	options := &imapclient.Options{TLSConfig: l.tls.client}
	if mechanism == "EXTERNAL" {
		options.TLSConfig = l.tls.alice
	}
	var c *imapclient.Client
	var err error
	switch w {
	case startTLS:
		c, err = imapclient.DialStartTLS(l.addr, options)
	case overTLS:
		c, err = imapclient.DialTLS(l.addr, options)
	default:
		c, err = imapclient.DialInsecure(l.addr, options)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ourIMAPClient begins a login with what the server offers. go-imap's client
// does not show its TLS state, so that nothing binds to the channel.
func ourIMAPClient(t testing.TB, c *imapclient.Client, w wire, mechanism, password string) *saslkit.ClientExchange {
	t.Helper()
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: password},
		Offered:     c.Caps().AuthMechanisms(),
		Mechanisms:  []string{mechanism},
		Policy:      labPolicy,
		Channel:     saslkit.Channel{Secure: w.secure(), External: labUser},
		Service:     "imap",
		Host:        "localhost",
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestIMAPLogin(t *testing.T) {
	for _, w := range wires {
		for _, mechanism := range allMechanisms {
			if mechanism == "EXTERNAL" && !w.secure() || isPlus(mechanism) {
				continue
			}
			t.Run("saslkit/"+mechanism+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				l := imapLab(t, setup{implicit: w == overTLS})
				c := dialIMAP(t, l, w, mechanism)
				x := ourIMAPClient(t, c, w, mechanism, labPassword)
				if err := c.Authenticate(x); err != nil {
					t.Fatal(err)
				}
				if err := x.Finish(); err != nil {
					t.Fatal(err)
				}
				readMail(t, c)
				wantResult(t, l.seen(t), mechanism, w.secure())
			})
			theirs := goSASLClient(mechanism, labPassword)
			if theirs == nil {
				continue
			}
			t.Run("go-sasl/"+mechanism+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				l := imapLab(t, setup{implicit: w == overTLS})
				c := dialIMAP(t, l, w, mechanism)
				if err := c.Authenticate(theirs); err != nil {
					t.Fatal(err)
				}
				readMail(t, c)
				wantResult(t, l.seen(t), mechanism, w.secure())
			})
		}
		t.Run("go-imap/login command/"+string(w), func(t *testing.T) {
			t.Parallel()
			l := imapLab(t, setup{implicit: w == overTLS})
			c := dialIMAP(t, l, w, "")
			if err := c.Login(labUser, labPassword).Wait(); err != nil {
				t.Fatal(err)
			}
			readMail(t, c)
			wantResult(t, l.seen(t), "LOGIN", w.secure())
		})
	}
}

// readMail is what logins are for; it ends the session.
func readMail(t *testing.T, c *imapclient.Client) {
	t.Helper()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Error(err)
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
}

// A wrong password is NO [AUTHENTICATIONFAILED] whatever the mechanism, and the
// next try on the same connection is a new one.
func TestIMAPWrongPassword(t *testing.T) {
	tries := map[string]func(*testing.T, *imapclient.Client, string) error{
		"login command": func(_ *testing.T, c *imapclient.Client, password string) error {
			return c.Login(labUser, password).Wait()
		},
	}
	for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"} {
		tries[mechanism] = func(t *testing.T, c *imapclient.Client, password string) error {
			return c.Authenticate(ourIMAPClient(t, c, startTLS, mechanism, password))
		}
	}
	for name, try := range tries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := imapLab(t, setup{})
			c := dialIMAP(t, l, startTLS, "")
			wantIMAPError(t, try(t, c, "wrong"), imap.StatusResponseTypeNo, imap.ResponseCodeAuthenticationFailed)
			if err := try(t, c, labPassword); err != nil {
				t.Fatalf("the second try: %v", err)
			}
			readMail(t, c)
			s := l.seen(t)
			if len(s.results) != 1 || len(s.events) != 2 || s.events[0].Err == nil || s.events[0].Err.Class != mech.BadCredentials {
				t.Errorf("seen: %d results, events %+v", len(s.results), s.events)
			}
		})
	}
}

func wantIMAPError(t *testing.T, err error, typ imap.StatusResponseType, code imap.ResponseCode) {
	t.Helper()
	var refusal *imap.Error
	if !errors.As(err, &refusal) || refusal.Type != typ || refusal.Code != code {
		t.Fatalf("got %v, want %s [%s]", err, typ, code)
	}
}
