package interop

import (
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// After each of these go-imap keeps the connection, and a good login works.
func TestIMAPRefusals(t *testing.T) {
	const failed = "S: a NO [AUTHENTICATIONFAILED]"
	for name, script := range map[string][]string{
		"cancelled at the start":         {"C: a AUTHENTICATE PLAIN", "S: + ", "C: *", "S: a BAD "},
		"cancelled at a challenge":       {"C: a AUTHENTICATE CRAM-MD5", "S: + ", "C: *", "S: a BAD "},
		"not base64":                     {"C: a AUTHENTICATE PLAIN", "S: + ", "C: !!!!", "S: a BAD "},
		"not the grammar of PLAIN":       {"C: a AUTHENTICATE PLAIN " + b64("alice"), "S: a BAD Malformed message"},
		"initial response to CRAM-MD5":   {"C: a AUTHENTICATE CRAM-MD5 " + b64("alice 00"), "S: a BAD Malformed message"},
		"empty one to CRAM-MD5":          {"C: a AUTHENTICATE CRAM-MD5 =", "S: a BAD Malformed message"},
		"over-long response to CRAM-MD5": {"C: a AUTHENTICATE CRAM-MD5", "S: + ", "C: " + b64(strings.Repeat("a", 2000)), "S: a BAD Message too long"},
		"empty password":                 {"C: a AUTHENTICATE PLAIN " + b64("\x00alice\x00"), failed},
		"empty password in LOGIN":        {`C: a LOGIN alice ""`, failed},
		"unknown user":                   {"C: a AUTHENTICATE PLAIN " + b64("\x00mallory\x00secret"), failed},
		"unknown user in LOGIN":          {"C: a LOGIN mallory secret", failed},
		"acting as somebody else":        {"C: a AUTHENTICATE PLAIN " + b64("bob\x00alice\x00secret"), "S: a NO [AUTHORIZATIONFAILED]"},
		"mechanism that does not exist":  {"C: a AUTHENTICATE FOO", "S: a NO Mechanism is not available"},
		"EXTERNAL without a certificate": {"C: a AUTHENTICATE EXTERNAL =", "S: a NO Mechanism is not available"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := imapLab(t, setup{})
			d, _ := imapDialog(t, l, inClear)
			d.follow(script)
			d.follow([]string{"C: b AUTHENTICATE PLAIN " + goodPLAIN, "S: b OK", "C: c LOGOUT", "S: c OK"})
			if s := l.seen(t); len(s.results) != 1 {
				t.Errorf("%d sessions ended logged in, want 1", len(s.results))
			}
		})
	}
}

func TestIMAPResponseAfterSuccess(t *testing.T) {
	t.Parallel()
	d, _ := imapDialog(t, imapLab(t, setup{}), inClear)
	d.follow([]string{
		"C: a AUTHENTICATE PLAIN " + goodPLAIN, "S: a OK",
		"C: b AUTHENTICATE PLAIN " + goodPLAIN, "S: b BAD",
		"C: c LOGIN alice secret", "S: c BAD",
		"C: d SELECT INBOX", "S: d OK",
	})
}

// What go-imap does in its own way.
func TestIMAPHostDeviations(t *testing.T) {
	t.Parallel()
	t.Run("bad base64 in the command is SERVERBUG, not BAD", func(t *testing.T) {
		d, _ := imapDialog(t, imapLab(t, setup{}), inClear)
		d.follow([]string{"C: a AUTHENTICATE PLAIN !!!!", "S: a NO [SERVERBUG]"})
	})
	t.Run("a response line of 4096 bytes is SERVERBUG", func(t *testing.T) {
		d, _ := imapDialog(t, imapLab(t, setup{}), inClear)
		d.follow([]string{"C: a AUTHENTICATE PLAIN", "S: + ", "C: " + strings.Repeat("A", 5000), "S: a NO [SERVERBUG]"})
	})
	t.Run("nothing in the clear is offered without LOGINDISABLED", func(t *testing.T) {
		_, capabilities := imapDialog(t, imapLab(t, setup{auth: &saslkit.Authenticator{Verifier: verifier.Static{labUser: labPassword}}}), inClear)
		if slices.Contains(capabilities, "LOGINDISABLED") {
			t.Error("go-imap asks the session: the comment of IMAPBackend is out of date")
		}
	})
}

func TestIMAPStoreErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		err  error
		code string
	}{
		{"unavailable", verifier.ErrUnavailable, "UNAVAILABLE"},
		{"disabled", verifier.ErrDisabled, "CONTACTADMIN"},
		{"expired", verifier.ErrExpired, "EXPIRED"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, _ := imapDialog(t, imapLab(t, setup{auth: authOver(tc.err)}), inClear)
			d.follow([]string{
				"C: a AUTHENTICATE PLAIN " + goodPLAIN, "S: a NO [" + tc.code + "]",
				"C: b LOGIN alice secret", "S: b NO [" + tc.code + "]",
			})
		})
	}
}

func TestIMAPZeroPolicy(t *testing.T) {
	t.Parallel()
	auth := func() *saslkit.Authenticator {
		return &saslkit.Authenticator{Verifier: verifier.Static{labUser: labPassword}}
	}
	t.Run("clear", func(t *testing.T) {
		d, capabilities := imapDialog(t, imapLab(t, setup{auth: auth()}), inClear)
		if got := mechanismsIn(capabilities); !slices.Equal(got, scramMechanisms) {
			t.Errorf("the server offers %q in the clear, want %q", got, scramMechanisms)
		}
		d.follow([]string{
			"C: a AUTHENTICATE PLAIN " + goodPLAIN, "S: a NO [PRIVACYREQUIRED]",
			"C: b LOGIN alice secret", "S: b NO [PRIVACYREQUIRED]",
			"C: c AUTHENTICATE CRAM-MD5", "S: c NO Mechanism is not available",
		})
	})
	for _, w := range []wire{startTLS, overTLS} {
		t.Run(string(w), func(t *testing.T) {
			d, capabilities := imapDialog(t, imapLab(t, setup{auth: auth(), implicit: w == overTLS}), w)
			if got := mechanismsIn(capabilities); !slices.Equal(got, zeroPolicyTLS) {
				t.Errorf("the server offers %q, want %q", got, zeroPolicyTLS)
			}
			d.follow([]string{"C: a AUTHENTICATE CRAM-MD5", "S: a NO Mechanism is not available", "C: b LOGIN alice secret", "S: b OK"})
		})
	}
}

func mechanismsIn(capabilities []string) []string {
	var names []string
	for _, c := range capabilities {
		if name, ok := strings.CutPrefix(c, "AUTH="); ok {
			names = append(names, name)
		}
	}
	return names
}

// The session is the same before and after STARTTLS; the offer is not.
func TestIMAPStartTLSChangesTheOffer(t *testing.T) {
	t.Parallel()
	auth := labAuth()
	auth.Policy = mech.Policy{}
	l := imapLab(t, setup{auth: auth})
	for w, want := range zeroPolicyOffers {
		if _, capabilities := imapDialog(t, l, w); !slices.Equal(mechanismsIn(capabilities), want) {
			t.Errorf("%s: the server offers %q, want %q", w, mechanismsIn(capabilities), want)
		}
	}
}
