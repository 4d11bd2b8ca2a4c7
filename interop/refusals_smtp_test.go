package interop

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// goodPLAIN logs labUser in.
var goodPLAIN = b64("\x00" + labUser + "\x00" + labPassword)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// After each of these go-smtp keeps the connection, and a good login works.
func TestSMTPRefusals(t *testing.T) {
	for name, script := range map[string][]string{
		"cancelled at the start":          {"C: AUTH PLAIN", "S: 334 ", "C: *", "S: 501 "},
		"cancelled at a challenge":        {"C: AUTH CRAM-MD5", "S: 334 ", "C: *", "S: 501 "},
		"cancelled before the password":   {"C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: " + b64(labUser), "S: 334 UGFzc3dvcmQ6", "C: *", "S: 501 "},
		"not the grammar of PLAIN":        {"C: AUTH PLAIN " + b64("alice"), "S: 501 5.5.2"},
		"NUL in LOGIN's name":             {"C: AUTH LOGIN " + b64("alice\x00"), "S: 501 5.5.2"},
		"initial response to CRAM-MD5":    {"C: AUTH CRAM-MD5 " + b64("alice 00"), "S: 501 5.5.2"},
		"empty one to CRAM-MD5":           {"C: AUTH CRAM-MD5 =", "S: 501 5.5.2"},
		"initial response to DIGEST-MD5":  {"C: AUTH DIGEST-MD5 " + b64(`username="alice"`), "S: 501 5.5.2"},
		"over-long response to PLAIN":     {"C: AUTH PLAIN", "S: 334 ", "C: " + b64(strings.Repeat("a", 7000)), "S: 500 5.5.6"},
		"over-long response to CRAM-MD5":  {"C: AUTH CRAM-MD5", "S: 334 ", "C: " + b64(strings.Repeat("a", 2000)), "S: 500 5.5.6"},
		"over-long name":                  {"C: AUTH PLAIN " + b64("\x00"+strings.Repeat("a", 256)+"\x00x"), "S: 500 5.5.6"},
		"response after a failure":        {"C: AUTH PLAIN " + b64("\x00alice\x00wrong"), "S: 535 5.7.8", "C: " + goodPLAIN, "S: 501 "},
		"empty password":                  {"C: AUTH PLAIN " + b64("\x00alice\x00"), "S: 535 5.7.8"},
		"unknown user":                    {"C: AUTH PLAIN " + b64("\x00mallory\x00secret"), "S: 535 5.7.8"},
		"realm that is not served":        {"C: AUTH PLAIN " + b64("\x00alice@other.example\x00secret"), "S: 535 5.7.8"},
		"acting as somebody else":         {"C: AUTH PLAIN " + b64("bob\x00alice\x00secret"), "S: 535 5.7.8"},
		"mechanism that does not exist":   {"C: AUTH FOO", "S: 504 5.5.4"},
		"EXTERNAL without a certificate":  {"C: AUTH EXTERNAL =", "S: 504 5.5.4"},
		"name longer than any mechanism":  {"C: AUTH " + strings.Repeat("A", 100), "S: 504 5.5.4"},
		"second AUTH in place of answers": {"C: AUTH LOGIN", "S: 334 ", "C: AUTH PLAIN " + goodPLAIN, "S: 454 4.7.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := smtpLab(t, setup{})
			d, _ := smtpDialog(t, l, inClear)
			d.follow(script)
			d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235 ", "C: QUIT", "S: 221"})
			if s := l.seen(t); len(s.results) != 1 {
				t.Errorf("%d sessions ended logged in, want 1", len(s.results))
			}
		})
	}
}

func TestSMTPResponseAfterSuccess(t *testing.T) {
	t.Parallel()
	d, _ := smtpDialog(t, smtpLab(t, setup{}), inClear)
	d.follow([]string{
		"C: AUTH PLAIN " + goodPLAIN, "S: 235 ",
		"C: " + goodPLAIN, "S: 501 ",
		"C: AUTH PLAIN " + goodPLAIN, "S: 503 ",
		"C: MAIL FROM:<alice@mail.example>", "S: 250 ",
	})
}

// What go-smtp does in its own way. A change in go-smtp is to be noticed, not
// feared.
func TestSMTPHostDeviations(t *testing.T) {
	t.Parallel()
	t.Run("bad base64 is 454, not 501 5.5.2", func(t *testing.T) {
		d, _ := smtpDialog(t, smtpLab(t, setup{}), inClear)
		d.follow([]string{
			"C: AUTH PLAIN !!!!", "S: 454 4.7.0",
			"C: AUTH PLAIN", "S: 334 ", "C: !!!!", "S: 454 4.7.0",
			"C: AUTH PLAIN " + goodPLAIN, "S: 235 ",
		})
	})
	t.Run("too long a line ends the connection", func(t *testing.T) {
		d, _ := smtpDialog(t, smtpLab(t, setup{}), inClear)
		d.follow([]string{"C: AUTH PLAIN", "S: 334 ", "C: " + strings.Repeat("A", 12292), "S: 500 5.4.0"})
		if _, err := d.r.ReadByte(); err == nil {
			t.Error("the connection is still open")
		}
	})
	t.Run("the fourth unknown command ends the connection", func(t *testing.T) {
		// go-smtp's client says * after every refusal, when nothing is left to cancel.
		d, _ := smtpDialog(t, smtpLab(t, setup{}), inClear)
		for range 3 {
			d.follow([]string{"C: AUTH PLAIN " + b64("\x00alice\x00wrong"), "S: 535 5.7.8", "C: *", "S: 50"})
		}
		d.follow([]string{"C: *", "S: 50", "S: 500 5.5.1"})
	})
}

// A store that is down is never a refusal, and one that refuses for a reason
// tells it only after the right password.
func TestSMTPStoreErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		err   error
		reply string
	}{
		{"unavailable", verifier.ErrUnavailable, "S: 454 4.7.0"},
		{"disabled", verifier.ErrDisabled, "S: 535 5.7.8 Account is disabled"},
		{"expired", verifier.ErrExpired, "S: 535 5.7.8 Account or password has expired"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := smtpLab(t, setup{auth: authOver(tc.err)})
			d, _ := smtpDialog(t, l, inClear)
			d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, tc.reply})
			if tc.err != verifier.ErrUnavailable {
				d.follow([]string{"C: AUTH PLAIN " + b64("\x00alice\x00wrong"), "S: 535 5.7.8 Authentication failed"})
			}
			d.follow([]string{"C: AUTH LOGIN " + b64(labUser), "S: 334 ", "C: " + b64(labPassword), tc.reply})
		})
	}
}

// authOver serves labUser from a store that says err beside the password.
func authOver(err error) *saslkit.Authenticator {
	auth := labAuth()
	auth.Verifier = verifier.Passwords(func(context.Context, verifier.Request) (string, error) { return labPassword, err })
	return auth
}

// zeroPolicyTLS is what the zero Authenticator offers under TLS from a store of
// passwords.
var zeroPolicyTLS = slices.Concat(plusMechanisms, scramMechanisms, []string{"PLAIN", "LOGIN"})

func TestSMTPZeroPolicy(t *testing.T) {
	t.Parallel()
	auth := func() *saslkit.Authenticator {
		return &saslkit.Authenticator{Verifier: verifier.Static{labUser: labPassword}}
	}
	t.Run("clear", func(t *testing.T) {
		d, extensions := smtpDialog(t, smtpLab(t, setup{auth: auth()}), inClear)
		if want := "AUTH " + strings.Join(scramMechanisms, " "); !slices.Contains(extensions, want) {
			t.Errorf("the server lists %q, want %s", extensions, want)
		}
		d.follow([]string{
			"C: AUTH PLAIN " + goodPLAIN, "S: 538 5.7.11",
			"C: AUTH LOGIN", "S: 538 5.7.11",
			"C: AUTH CRAM-MD5", "S: 504 5.5.4",
			"C: AUTH ANONYMOUS =", "S: 504 5.5.4",
		})
	})
	for _, w := range []wire{startTLS, overTLS} {
		t.Run(string(w), func(t *testing.T) {
			d, extensions := smtpDialog(t, smtpLab(t, setup{auth: auth(), implicit: w == overTLS}), w)
			if want := "AUTH " + strings.Join(zeroPolicyTLS, " "); !slices.Contains(extensions, want) {
				t.Errorf("the server lists %q, want %s", extensions, want)
			}
			d.follow([]string{
				"C: AUTH ANONYMOUS =", "S: 504 5.5.4",
				"C: AUTH DIGEST-MD5", "S: 504 5.5.4",
				"C: AUTH plain " + goodPLAIN, "S: 235 ",
			})
		})
	}
}

// What a mech_list with every mechanism comes to under the zero policy, and under
// one that wants no plaintext under TLS.
var (
	zeroPolicyOffers = map[wire][]string{
		inClear:  slices.Concat(scramMechanisms, []string{"CRAM-MD5", "DIGEST-MD5"}),
		startTLS: slices.Concat(plusMechanisms, scramMechanisms, fourMechanisms),
	}
	withoutPlaintext = slices.Concat(plusMechanisms, scramMechanisms, []string{"CRAM-MD5", "DIGEST-MD5"})
)

func TestSMTPTooWeakMechanism(t *testing.T) {
	t.Parallel()
	auth := labAuth()
	auth.Policy = mech.Policy{TLS: mech.NoPlaintext | mech.NoAnonymous}
	d, extensions := smtpDialog(t, smtpLab(t, setup{auth: auth}), startTLS)
	if want := "AUTH " + strings.Join(withoutPlaintext, " "); !slices.Contains(extensions, want) {
		t.Errorf("the server lists %q, want %s", extensions, want)
	}
	d.follow([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 534 5.7.9", "C: AUTH ANONYMOUS =", "S: 534 5.7.9"})
}

// The list before STARTTLS is not the one after.
func TestSMTPStartTLSChangesTheOffer(t *testing.T) {
	t.Parallel()
	auth := labAuth()
	auth.Policy = mech.Policy{}
	l := smtpLab(t, setup{auth: auth})
	for w, offered := range zeroPolicyOffers {
		want := "AUTH " + strings.Join(offered, " ")
		if _, extensions := smtpDialog(t, l, w); !slices.Contains(extensions, want) {
			t.Errorf("%s: the server lists %q, want %q", w, extensions, want)
		}
	}
}

// A response that was right for one challenge is wrong for the next.
func TestSMTPReplayedResponse(t *testing.T) {
	t.Parallel()
	d, _ := smtpDialog(t, smtpLab(t, setup{}), inClear)
	d.say("AUTH CRAM-MD5")
	response := answers(t, "CRAM-MD5", "smtp")(d.expect("334 "))
	d.follow([]string{"C: *", "S: 501 ", "C: AUTH CRAM-MD5", "S: 334 ", "C: " + response, "S: 535 5.7.8"})
	d.say("AUTH CRAM-MD5")
	d.follow([]string{"C: " + answers(t, "CRAM-MD5", "smtp")(d.expect("334 ")), "S: 235 "})
}
