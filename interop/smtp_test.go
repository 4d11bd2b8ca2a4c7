package interop

import (
	"errors"
	"net"
	netsmtp "net/smtp"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// A wire is how a client reaches the server.
type wire string

const (
	inClear  wire = "clear"
	startTLS wire = "starttls"
	overTLS  wire = "tls"
)

var wires = []wire{inClear, startTLS, overTLS}

func (w wire) secure() bool { return w != inClear }

// dialSMTP connects go-smtp's client, with alice's certificate under TLS if the
// mechanism needs one.
func dialSMTP(t testing.TB, l *lab, w wire, mechanism string) *smtp.Client {
	t.Helper()
	config := l.tls.client
	if mechanism == "EXTERNAL" {
		config = l.tls.alice
	}
	var c *smtp.Client
	var err error
	switch w {
	case startTLS:
		c, err = smtp.DialStartTLS(l.addr, config)
	case overTLS:
		c, err = smtp.DialTLS(l.addr, config)
	default:
		c, err = smtp.Dial(l.addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ourSMTPClient begins a login with what the server offers.
func ourSMTPClient(t testing.TB, c *smtp.Client, mechanism, password string) *saslkit.ClientExchange {
	t.Helper()
	return ourSMTPClientAs(t, c, mechanism, labUser, password)
}

func ourSMTPClientAs(t testing.TB, c *smtp.Client, mechanism, user, password string) *saslkit.ClientExchange {
	t.Helper()
	_, offered := c.Extension("AUTH")
	cfg := saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: user, Password: password},
		Offered:     strings.Fields(offered),
		Mechanisms:  []string{mechanism},
		Policy:      labPolicy,
		Service:     "smtp",
		Host:        "localhost",
	}
	if state, ok := c.TLSConnectionState(); ok {
		cfg.Channel = saslkit.ClientTLS(state)
		cfg.Channel.External = labUser
	}
	x, err := saslkit.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// goSASLClient is the client of go-sasl for the mechanisms that it has.
func goSASLClient(mechanism, password string) sasl.Client {
	switch mechanism {
	case "PLAIN":
		return sasl.NewPlainClient("", labUser, password)
	case "LOGIN":
		return sasl.NewLoginClient(labUser, password)
	case "EXTERNAL":
		return sasl.NewExternalClient("")
	case "ANONYMOUS":
		return sasl.NewAnonymousClient("trace@client.example")
	}
	return nil
}

// wantResult checks that one login happened and that it was labUser's.
func wantResult(t *testing.T, s sighting, mechanism string, secure bool) {
	t.Helper()
	wantResultOf(t, s, labUser, mechanism, secure)
}

func wantResultOf(t *testing.T, s sighting, user, mechanism string, secure bool) {
	t.Helper()
	want := saslkit.Result{User: user, Realm: labRealm, Authzid: user, Mechanism: mechanism}
	switch mechanism {
	case "EXTERNAL":
		want.Realm = "" // the channel's identity is not cut
	case "ANONYMOUS":
		want.User, want.Realm, want.Authzid, want.Anonymous = "anonymous", "", "anonymous", true
	}
	if len(s.results) != 1 {
		t.Fatalf("%d sessions ended logged in, want 1; on the wire:\n%s", len(s.results), s.transcript)
	}
	got := s.results[0]
	got.Trace, got.Attributes = "", nil
	if got.User != want.User || got.Realm != want.Realm || got.Authzid != want.Authzid || got.Mechanism != want.Mechanism || got.Anonymous != want.Anonymous {
		t.Errorf("result\n got %+v\nwant %+v", got, want)
	}
	for _, e := range s.events {
		if e.Err != nil {
			t.Errorf("a login by %s failed: %s", e.Mechanism, e.Err.Detail())
		}
		if e.Secure != secure {
			t.Errorf("the login was seen with Secure %v, want %v", e.Secure, secure)
		}
	}
}

func TestSMTPLogin(t *testing.T) {
	for _, w := range wires {
		for _, mechanism := range allMechanisms {
			if (mechanism == "EXTERNAL" || isPlus(mechanism)) && !w.secure() {
				continue
			}
			t.Run("saslkit/"+mechanism+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				l := smtpLab(t, setup{implicit: w == overTLS})
				c := dialSMTP(t, l, w, mechanism)
				x := ourSMTPClient(t, c, mechanism, labPassword)
				if err := c.Auth(x); err != nil {
					t.Fatal(err)
				}
				if err := x.Finish(); err != nil {
					t.Fatal(err)
				}
				sendMail(t, c)
				wantResult(t, l.seen(t), mechanism, w.secure())
			})
			theirs := goSASLClient(mechanism, labPassword)
			if theirs == nil {
				continue
			}
			t.Run("go-sasl/"+mechanism+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				l := smtpLab(t, setup{implicit: w == overTLS})
				c := dialSMTP(t, l, w, mechanism)
				if err := c.Auth(theirs); err != nil {
					t.Fatal(err)
				}
				sendMail(t, c)
				wantResult(t, l.seen(t), mechanism, w.secure())
			})
		}
	}
}

// sendMail is what logins are for; it ends the session.
func sendMail(t *testing.T, c *smtp.Client) {
	t.Helper()
	if err := c.SendMail("alice@mail.example", []string{"bob@mail.example"}, strings.NewReader("Subject: hello\r\n\r\nhello\r\n")); err != nil {
		t.Error(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
}

// The standard library's client knows two mechanisms, and sends PLAIN in the
// clear only to localhost.
func TestSMTPLoginOfStandardLibrary(t *testing.T) {
	for mechanism, auth := range map[string]netsmtp.Auth{
		"PLAIN":    netsmtp.PlainAuth("", labUser, labPassword, "localhost"),
		"CRAM-MD5": netsmtp.CRAMMD5Auth(labUser, labPassword),
	} {
		for _, w := range []wire{inClear, startTLS} {
			t.Run(mechanism+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				l := smtpLab(t, setup{})
				conn, err := net.Dial("tcp", l.addr)
				if err != nil {
					t.Fatal(err)
				}
				c, err := netsmtp.NewClient(conn, "localhost")
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if w == startTLS {
					if err := c.StartTLS(l.tls.client); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Auth(auth); err != nil {
					t.Fatal(err)
				}
				c.Quit()
				wantResult(t, l.seen(t), mechanism, w.secure())
			})
		}
	}
}

// A wrong password is 535 5.7.8 whatever the mechanism, and the next try on the
// same connection is a new one.
func TestSMTPWrongPassword(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			l := smtpLab(t, setup{})
			c := dialSMTP(t, l, startTLS, mechanism)
			wantSMTPError(t, c.Auth(ourSMTPClient(t, c, mechanism, "wrong")), 535, smtp.EnhancedCode{5, 7, 8})
			if err := c.Auth(ourSMTPClient(t, c, mechanism, labPassword)); err != nil {
				t.Fatalf("the second try: %v", err)
			}
			sendMail(t, c)
			s := l.seen(t)
			if len(s.results) != 1 || len(s.events) != 2 || s.events[0].Err == nil || s.events[0].Err.Class != mech.BadCredentials {
				t.Errorf("seen: %d results, events %+v", len(s.results), s.events)
			}
		})
	}
}

func wantSMTPError(t *testing.T, err error, code int, enhanced smtp.EnhancedCode) {
	t.Helper()
	var refusal *smtp.SMTPError
	if !errors.As(err, &refusal) || refusal.Code != code || refusal.EnhancedCode != enhanced {
		t.Fatalf("got %v, want %d %v", err, code, enhanced)
	}
}

// A response of DIGEST-MD5 that was made for another host is refused where the
// server knows its names: nobody in between can use it elsewhere.
func TestSMTPHostNames(t *testing.T) {
	for _, tc := range []struct {
		names []string
		good  bool
	}{
		{nil, true},
		{[]string{"mail.example", "LOCALHOST"}, true},
		{[]string{"mail.example"}, false},
	} {
		t.Run(strings.Join(tc.names, " "), func(t *testing.T) {
			t.Parallel()
			c := dialSMTP(t, smtpLab(t, setup{hostNames: tc.names}), inClear, "DIGEST-MD5")
			err := c.Auth(ourSMTPClient(t, c, "DIGEST-MD5", labPassword))
			if tc.good && err != nil {
				t.Error(err)
			}
			if !tc.good {
				wantSMTPError(t, err, 535, smtp.EnhancedCode{5, 7, 8})
			}
		})
	}
}

// A server that leaves its proof out says 235 all the same, and go-smtp's client
// believes it. Finish does not.
func TestSMTPServerWithoutProof(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &impostor{}, nil }))
	server.AllowInsecureAuth = true
	go server.Serve(ln)
	defer server.Close()
	c, err := smtp.Dial(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Hello("client.example"); err != nil {
		t.Fatal(err)
	}
	x := ourSMTPClient(t, c, "DIGEST-MD5", labPassword)
	if err := c.Auth(x); err != nil {
		t.Fatalf("go-smtp's client did not believe the server: %v", err)
	}
	var failure *saslkit.Error
	if err := x.Finish(); !errors.As(err, &failure) || failure.Class != mech.ServerNotVerified {
		t.Errorf("Finish: %v, want the class %v", err, mech.ServerNotVerified)
	}
}

// An impostor takes any response to a challenge of DIGEST-MD5.
type impostor struct{ smtpSession }

func (*impostor) AuthMechanisms() []string         { return []string{"DIGEST-MD5"} }
func (*impostor) Auth(string) (sasl.Server, error) { return &gullible{}, nil }
func (*impostor) Logout() error                    { return nil }

type gullible struct{ asked bool }

func (g *gullible) Next([]byte) (challenge []byte, done bool, err error) {
	if g.asked {
		return nil, true, nil
	}
	g.asked = true
	return []byte(`realm="mail.example",nonce="bm9uY2U=",qop="auth",charset=utf-8,algorithm=md5-sess`), false, nil
}
