package interop

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// maxPostfixResponse is the longest response that Postfix passes on, in bytes of base64:
// it counts the end of the line too (smtpd_sasl_response_limit).
const maxPostfixResponse = 12288 - 4

// hiddenMechanisms are announced and Postfix does not show them: EXTERNAL by its filter of
// mechanisms, but what a client asks for is passed on all the same; ANONYMOUS by its
// security options, which it holds clients to.
var hiddenMechanisms = []string{"EXTERNAL", "ANONYMOUS"}

// repliesAuth serves labUser from a store that fails in the given way.
func repliesAuth(fault *verifiertest.Faulty) *saslkit.Authenticator {
	fault.Verifier = verifiertest.NewMemory(verifiertest.User{Name: labUser, Realm: labRealm, Password: labPassword})
	return &saslkit.Authenticator{Verifier: fault, Mechanisms: slices.Concat(nineMechanisms, hiddenMechanisms), Policy: labPolicy}
}

// What Postfix tells clients that do not do as they should. The session goes on, and so
// does the connection to the daemon: the next login works.
func TestDaemonPostfixReplies(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t, repliesAuth(&verifiertest.Faulty{}), map[string][]string{
		"shown": {"smtpd_sasl_security_options=", "smtpd_sasl_mechanism_filter=static:all"},
	})
	for name, script := range map[string][]string{
		"wrong password":                 {"C: AUTH PLAIN " + b64("\x00alice\x00wrong"), "S: 535 5.7.8"},
		"unknown user":                   {"C: AUTH PLAIN " + b64("\x00mallory\x00secret"), "S: 535 5.7.8"},
		"realm that is not served":       {"C: AUTH PLAIN " + b64("\x00alice@other.example\x00secret"), "S: 535 5.7.8"},
		"acting as somebody else":        {"C: AUTH PLAIN " + b64("bob\x00alice\x00secret"), "S: 535 5.7.8"},
		"TAB in the name":                {"C: AUTH PLAIN " + b64("\x00al\tice\x00secret"), "S: 535 5.7.8"},
		"0x01 in the name":               {"C: AUTH PLAIN " + b64("\x00al\x01tice\x00secret"), "S: 535 5.7.8"},
		"PLAIN without initial response": {"C: AUTH PLAIN", "S: 334 ", "C: " + b64("\x00alice\x00wrong"), "S: 535 5.7.8"},
		"PLAIN with an empty one":        {"C: AUTH PLAIN =", "S: 535 5.7.8"},
		"empty response to PLAIN":        {"C: AUTH PLAIN", "S: 334 ", "C: ", "S: 535 5.7.8"},
		"not the grammar of PLAIN":       {"C: AUTH PLAIN " + b64("alice"), "S: 535 5.7.8"},
		"LOGIN with an empty one":        {"C: AUTH LOGIN =", "S: 535 5.7.8"},
		"LOGIN with the name":            {"C: AUTH LOGIN " + b64(labUser), "S: 334 " + b64("Password:"), "C: " + b64("wrong"), "S: 535 5.7.8"},
		"CRAM-MD5 with an empty one":     {"C: AUTH CRAM-MD5 =", "S: 535 5.7.8"},
		"CRAM-MD5 with one":              {"C: AUTH CRAM-MD5 " + b64("alice 00"), "S: 535 5.7.8"},
		"DIGEST-MD5 with one":            {"C: AUTH DIGEST-MD5 " + b64(`username="alice"`), "S: 535 5.7.8"},
		"SCRAM with half a message":      {"C: AUTH SCRAM-SHA-256 " + b64("n,,n=alice"), "S: 535 5.7.8"},
		"cancelled at the start":         {"C: AUTH PLAIN", "S: 334 ", "C: *", "S: 501 5.7.0"},
		"cancelled at a challenge":       {"C: AUTH CRAM-MD5", "S: 334 ", "C: *", "S: 501 5.7.0"},
		"cancelled before the password":  {"C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: " + b64(labUser), "S: 334 UGFzc3dvcmQ6", "C: *", "S: 501 5.7.0"},
		"not base64":                     {"C: AUTH PLAIN !!!!", "S: 535 5.7.8"},
		"base64 without its end":         {"C: AUTH PLAIN", "S: 334 ", "C: AGFsaWNlAHNlY3JldA", "S: 535 5.7.8"},
		"mechanism that does not exist":  {"C: AUTH FOO", "S: 535 5.7.8"},
		"ANONYMOUS":                      {"C: AUTH ANONYMOUS " + b64("trace"), "S: 535 5.7.8 Error: authentication failed: Invalid authentication mechanism"},
		"EXTERNAL with an empty one":     {"C: AUTH EXTERNAL =", "S: 535 5.7.8 Error: authentication failed: (reason unavailable)"},
		"EXTERNAL with a name":           {"C: AUTH EXTERNAL " + b64(labUser), "S: 535 5.7.8"},
		"EXTERNAL without":               {"C: AUTH EXTERNAL", "S: 535 5.7.8"},
		"over-long response to PLAIN":    {"C: AUTH PLAIN", "S: 334 ", "C: " + strings.Repeat("A", maxPostfixResponse), "S: 535 5.7.8"},
		"over-long response to CRAM-MD5": {"C: AUTH CRAM-MD5", "S: 334 ", "C: " + strings.Repeat("A", maxPostfixResponse), "S: 535 5.7.8"},
		"over-long response to SCRAM":    {"C: AUTH SCRAM-SHA-256", "S: 334 ", "C: " + strings.Repeat("A", maxPostfixResponse), "S: 535 5.7.8"},
		"longer than Postfix reads":      {"C: AUTH PLAIN", "S: 334 ", "C: " + strings.Repeat("A", maxPostfixResponse+4), "S: 500 5.5.6"},
		"over-long initial response":     {"C: AUTH PLAIN " + strings.Repeat("A", maxPostfixResponse), "S: 535 5.7.8"},
		"longer than the daemon reads":   {"C: AUTH PLAIN " + strings.Repeat("A", 20_000), "S: 535 5.7.8"},
	} {
		for _, w := range []wire{inClear, startTLS} {
			t.Run(name+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				d, _ := smtpDialog(t, site.lab, w)
				d.follow(script)
				d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235 2.7.0", "C: QUIT", "S: 221"})
			})
		}
	}
	t.Run("hidden", func(t *testing.T) {
		if got, _ := offeredTo(t, site.lab, startTLS); !slices.Equal(got, nineMechanisms) {
			t.Errorf("offered: %q", got)
		}
	})
	t.Run("shown", func(t *testing.T) {
		if got, _ := offeredTo(t, site.ports["shown"], inClear); !slices.Equal(got, slices.Concat(nineMechanisms, hiddenMechanisms)) {
			t.Errorf("offered: %q", got)
		}
		d, _ := smtpDialog(t, site.ports["shown"], inClear)
		// Postfix's permit_sasl_authenticated is not meant for those.
		d.follow([]string{"C: AUTH ANONYMOUS " + b64("trace"), "S: 235 2.7.0", "C: MAIL FROM:<alice@mail.example>", "S: 250 ", "C: RCPT TO:<bob@mail.example>", "S: 554 5.7.1"})
	})
}

// A store that is down is 454, by every mechanism, and when it is back the next login on
// the same session works.
func TestDaemonPostfixUnavailable(t *testing.T) {
	t.Parallel()
	faults := map[string]verifiertest.Fault{
		"error":     {Err: verifier.ErrUnavailable},
		"no answer": {Empty: true}, // a swallowed "no rows"
		"panic":     {Panic: "a mistake in the store"},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &verifiertest.Faulty{Fault: fault, Nth: 1}
			site := newAuthSite(t, repliesAuth(store), nil)
			d, _ := smtpDialog(t, site.lab, inClear)
			for _, m := range nineMechanisms {
				store.Calls.Store(0) // the next call fails
				if got := d.login(m, labPassword); !strings.HasPrefix(got, "454 4.7.0") {
					t.Errorf("%s: %q, want 454 4.7.0\n%s", m, got, site.logged())
				}
				if got := d.login(m, labPassword); !strings.HasPrefix(got, "235 ") {
					t.Errorf("%s, after the store is back: %q\n%s", m, got, site.logged())
				}
				d, _ = smtpDialog(t, site.lab, inClear) // who is logged in may not try again
			}
			for _, e := range site.daemon.events(labUser) {
				if e.Err != nil && e.Err.Class != mech.Unavailable {
					t.Errorf("seen: %+v", e)
				}
			}
		})
	}
}

// login says whatever a mechanism needs and returns how it ended.
func (d *dialog) login(mechanism, password string) string {
	d.t.Helper()
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: password},
		Mechanisms:  []string{mechanism}, Policy: labPolicy, Service: "smtp", Host: "localhost",
	})
	if err != nil {
		d.t.Fatal(err)
	}
	_, initial, err := x.Start()
	if err != nil {
		d.t.Fatal(err)
	}
	command := "AUTH " + mechanism
	if initial != nil {
		command += " " + b64(string(initial))
	}
	for d.say(command); ; d.say(command) {
		answer := d.line()
		challenge, more := strings.CutPrefix(answer, "334 ")
		if !more {
			return answer
		}
		decoded, err := base64.StdEncoding.DecodeString(challenge)
		if err != nil {
			d.t.Fatal(err)
		}
		response, err := x.Next(decoded)
		if err != nil {
			d.t.Fatalf("%s: %v", mechanism, err)
		}
		command = b64(string(response))
	}
}

// A daemon that is stopped and started under Postfix: 454 meanwhile, and the next AUTH
// works, on sessions that were open all the time and on new ones.
func TestDaemonPostfixRestart(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t, repliesAuth(&verifiertest.Faulty{}), nil)
	// A session that has used its connection to the daemon, one that has not, and one
	// that is in the middle of a login.
	used, _ := smtpDialog(t, site.lab, inClear)
	used.follow([]string{"C: AUTH PLAIN " + b64("\x00alice\x00wrong"), "S: 535 5.7.8"})
	fresh, _ := smtpDialog(t, site.lab, inClear)
	half, _ := smtpDialog(t, site.lab, inClear)
	half.follow([]string{"C: AUTH LOGIN", "S: 334 ", "C: " + b64(labUser), "S: 334 "})
	other, _ := smtpDialog(t, site.lab, inClear)

	site.daemon.stop(t)
	half.follow([]string{"C: " + b64(labPassword), "S: 454 4.7.0"})
	other.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 454 4.7.0"})
	site.daemon.start(t)
	for _, d := range []*dialog{used, fresh, half, other} {
		d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235 2.7.0", "C: QUIT", "S: 221"})
	}
	d, _ := smtpDialog(t, site.lab, startTLS)
	d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235 2.7.0"})
}

// A client that goes away in the middle leaves its smtpd as it was.
func TestDaemonPostfixDisconnect(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t, repliesAuth(&verifiertest.Faulty{}), nil)
	for _, m := range []string{"CRAM-MD5", "DIGEST-MD5", "LOGIN", "PLAIN", "SCRAM-SHA-256"} {
		for range 3 {
			d, _ := smtpDialog(t, site.lab, inClear)
			d.follow([]string{"C: AUTH " + m, "S: 334 "})
			d.conn.Close()
			d, _ = smtpDialog(t, site.lab, inClear)
			if got := d.login(m, labPassword); !strings.HasPrefix(got, "235 ") {
				t.Errorf("%s after a disconnect: %q\n%s", m, got, site.logged())
			}
			d.follow([]string{"C: QUIT", "S: 221"})
		}
	}
	if died := regexp.MustCompile(`(?m)^.*(fatal|panic|exit status|killed by signal).*$`).FindString(site.logged()); died != "" {
		t.Errorf("Postfix: %s", died)
	}
}
