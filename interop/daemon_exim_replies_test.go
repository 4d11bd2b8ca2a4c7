package interop

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func eximAuth(store verifier.Verifier) *saslkit.Authenticator {
	return &saslkit.Authenticator{Verifier: store, Mechanisms: nineMechanisms, Policy: labPolicy}
}

func eximUsers() *verifiertest.Memory {
	return verifiertest.NewMemory(verifiertest.User{Name: labUser, Realm: labRealm, Password: labPassword})
}

// Every mechanism through Exim: a wrong password, then the right one, on one session. The
// name that the daemon says is Exim's.
func TestDaemonExim(t *testing.T) {
	t.Parallel()
	site := newEximSite(t, databaseAuth(t, cyrusDatabase(t)), nil)
	for _, w := range []wire{inClear, startTLS} {
		got, _ := offeredTo(t, site.lab, w)
		if !slices.Equal(got, nineMechanisms) {
			t.Errorf("%s: offered: %q", w, got)
		}
		for _, m := range nineMechanisms {
			t.Run(m+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				d, _ := smtpDialog(t, site.lab, w)
				if got := d.login(m, "wrong"); !strings.HasPrefix(got, "535 ") {
					t.Errorf("a wrong password: %q\n%s", got, site.logged())
				}
				if got := d.login(m, labPassword); !strings.HasPrefix(got, "235 ") {
					t.Errorf("the right password: %q\n%s", got, site.logged())
				}
				d.follow([]string{"C: MAIL FROM:<alice@mail.example>", "S: 250 ", "C: RCPT TO:<bob@mail.example>", "S: 250 ", "C: QUIT", "S: 221"})
				if want := "logged in: " + labUser + "@" + labRealm + " by " + eximName(m); !strings.Contains(site.logged(), want) {
					t.Errorf("not %q in Exim's log:\n%s", want, site.logged())
				}
			})
		}
	}
}

// What clients do wrong is refused and Exim lives on: its process for the connection
// crashes on a line without a TAB, or of more than 8,192 bytes.
func TestDaemonEximReplies(t *testing.T) {
	t.Parallel()
	site := newEximSite(t, eximAuth(eximUsers()), nil)
	for name, script := range map[string][]string{
		"unknown user":                   {"C: AUTH PLAIN " + b64("\x00mallory\x00secret"), "S: 535 "},
		"PLAIN without initial response": {"C: AUTH PLAIN", "S: 334 ", "C: " + b64("\x00alice\x00wrong"), "S: 535 "},
		"PLAIN with an empty one":        {"C: AUTH PLAIN =", "S: 535 "},
		"LOGIN without":                  {"C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: " + b64(labUser), "S: 334 UGFzc3dvcmQ6", "C: " + b64("wrong"), "S: 535 "},
		"LOGIN with the name":            {"C: AUTH LOGIN " + b64(labUser), "S: 334 UGFzc3dvcmQ6", "C: " + b64("wrong"), "S: 535 "},
		"CRAM-MD5 with one":              {"C: AUTH CRAM-MD5 " + b64("alice 00"), "S: 535 "},
		"TAB in the name":                {"C: AUTH PLAIN " + b64("\x00al\tice\x00secret"), "S: 535 "},
		"not base64":                     {"C: AUTH PLAIN !!!!", "S: 5"},
		"cancelled at the start":         {"C: AUTH PLAIN", "S: 334 ", "C: *", "S: 501 "},
		"cancelled at a challenge":       {"C: AUTH CRAM-MD5", "S: 334 ", "C: *", "S: 501 "},
		"EXTERNAL":                       {"C: AUTH EXTERNAL =", "S: 504 "},
		"the longest name":               {"C: AUTH PLAIN " + b64("\x00"+strings.Repeat("a", 255)+"\x00x"), "S: 535 "},
		"over-long name":                 {"C: AUTH PLAIN " + b64("\x00"+strings.Repeat("a", 3000)+"\x00x"), "S: 535 "},
		"over-long nonce":                {"C: AUTH SCRAM-SHA-256 " + b64("n,,n=alice,r="+strings.Repeat("a", 5000)), "S: 535 "},
		"long nonce":                     {"C: AUTH SCRAM-SHA-256 " + b64("n,,n=alice,r="+strings.Repeat("a", 900)), "S: 334 ", "C: *", "S: 501 "},
		"as long as a line of SMTP":      {"C: AUTH PLAIN", "S: 334 ", "C: " + b64(strings.Repeat("a", 9000)), "S: 535 "},
		"over-long response to LOGIN":    {"C: AUTH LOGIN", "S: 334 ", "C: " + b64(strings.Repeat("a", 5000)), "S: 535 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := smtpDialog(t, site.lab, inClear)
			d.follow(script)
			d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235 ", "C: QUIT", "S: 221"})
		})
	}
}

// A store or a daemon that is down is 435, and the next login works.
func TestDaemonEximUnavailable(t *testing.T) {
	t.Parallel()
	store := &verifiertest.Faulty{Verifier: eximUsers(), Fault: verifiertest.Fault{Err: verifier.ErrUnavailable}, Nth: 1}
	site := newEximSite(t, eximAuth(store), nil)
	for _, m := range nineMechanisms {
		d, _ := smtpDialog(t, site.lab, inClear)
		store.Calls.Store(0) // the next call fails
		if got := d.login(m, labPassword); !strings.HasPrefix(got, "435 ") {
			t.Errorf("%s: %q, want 435\n%s", m, got, site.logged())
		}
		if got := d.login(m, labPassword); !strings.HasPrefix(got, "235 ") {
			t.Errorf("%s, after the store is back: %q\n%s", m, got, site.logged())
		}
	}
	d, _ := smtpDialog(t, site.lab, inClear)
	half, _ := smtpDialog(t, site.lab, inClear)
	half.follow([]string{"C: AUTH LOGIN", "S: 334 ", "C: " + b64(labUser), "S: 334 "})
	site.daemon.stop(t)
	half.follow([]string{"C: " + b64(labPassword), "S: 435 "})
	d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 435 "})
	site.daemon.start(t)
	for _, d := range []*dialog{d, half} {
		d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235 "})
	}
}

// Exim reads what comes in two pieces.
func TestDaemonEximTornReplies(t *testing.T) {
	t.Parallel()
	site := newEximSite(t, eximAuth(eximUsers()), func(l net.Listener) net.Listener { return tornListener{l} })
	for _, m := range nineMechanisms {
		for password, want := range map[string]string{"wrong": "535 ", labPassword: "235 "} {
			d, _ := smtpDialog(t, site.lab, inClear)
			if got := d.login(m, password); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %q, want %s\n%s", m, got, want, site.logged())
			}
		}
	}
}

// A tornListener has connections whose writes arrive in two pieces.
type tornListener struct{ net.Listener }

func (l tornListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return tornConn{c}, err
}

type tornConn struct{ net.Conn }

func (c tornConn) Write(b []byte) (int, error) {
	half, err := c.Conn.Write(b[:len(b)/2])
	if err != nil {
		return half, err
	}
	time.Sleep(10 * time.Millisecond) // or the reader sees one piece
	rest, err := c.Conn.Write(b[half:])
	return half + rest, err
}
