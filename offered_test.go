package saslkit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
)

func TestOffered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		read  func([]string) []string
		lines []string
		want  string
	}{
		{"SMTP", saslkit.OfferedSMTP, []string{"mail.example", "SIZE 100", "AUTH PLAIN LOGIN", "8BITMIME"}, "PLAIN LOGIN"},
		{"SMTP with an equals sign", saslkit.OfferedSMTP, []string{"AUTH=PLAIN LOGIN"}, "PLAIN LOGIN"},
		{"SMTP, both spellings", saslkit.OfferedSMTP, []string{"AUTH=LOGIN PLAIN", "AUTH LOGIN CRAM-MD5"}, "LOGIN PLAIN CRAM-MD5"},
		{"SMTP, small letters", saslkit.OfferedSMTP, []string{"auth plain", "Auth=Login"}, "PLAIN LOGIN"},
		{"SMTP, blanks", saslkit.OfferedSMTP, []string{"AUTH\tPLAIN  \t LOGIN "}, "PLAIN LOGIN"},
		{"SMTP, a space before the equals sign", saslkit.OfferedSMTP, []string{"AUTH =PLAIN LOGIN"}, "LOGIN"},
		{"SMTP, equals signs everywhere", saslkit.OfferedSMTP, []string{"AUTH=PLAIN=LOGIN", "AUTH==PLAIN", "AUTH="}, ""},
		{"SMTP, AUTH alone", saslkit.OfferedSMTP, []string{"AUTH", "AUTH "}, ""},
		{"SMTP, another keyword", saslkit.OfferedSMTP, []string{"AUTHINFO PLAIN", "XAUTH PLAIN", " AUTH PLAIN", "AUTH-PLAIN"}, ""},
		{"SMTP, no lines", saslkit.OfferedSMTP, nil, ""},
		{"names that are none", saslkit.OfferedSMTP, []string{"AUTH PL\x1bAIN P.LAIN PLÄIN \u212aEY A\x00 \xff PLAIN, *", "AUTH " + strings.Repeat("X", 21)}, ""},
		{"the longest name", saslkit.OfferedSMTP, []string{"AUTH " + strings.Repeat("X", 20)}, strings.Repeat("X", 20)},
		{"all kinds of characters", saslkit.OfferedSMTP, []string{"AUTH KERBEROS_V4 SCRAM-SHA-256-PLUS"}, "KERBEROS_V4 SCRAM-SHA-256-PLUS"},

		{"IMAP", saslkit.OfferedIMAP, []string{"IMAP4rev1", "AUTH=PLAIN", "SASL-IR", "auth=login", "AUTH=PLAIN"}, "PLAIN LOGIN"},
		{"IMAP, nothing after it", saslkit.OfferedIMAP, []string{"AUTH=", "AUTH", "AUTH PLAIN", "LOGINDISABLED", "AUTH=PLAIN LOGIN"}, ""},

		{"POP3", saslkit.OfferedPOP3, []string{"TOP", "SASL PLAIN login", "UIDL"}, "PLAIN LOGIN"},
		{"POP3, nothing after it", saslkit.OfferedPOP3, []string{"SASL", "SASL ", "SASL=PLAIN", "SASLPLAIN"}, ""},

		{"ManageSieve", saslkit.OfferedSieve, []string{`"IMPLEMENTATION" "x"`, `"SASL" "PLAIN LOGIN"`, `"SIEVE" "fileinto"`}, "PLAIN LOGIN"},
		{"ManageSieve, small letters", saslkit.OfferedSieve, []string{`"sasl"  "plain"`}, "PLAIN"},
		{"ManageSieve, none", saslkit.OfferedSieve, []string{`"SASL" ""`}, ""},
		{"ManageSieve, broken", saslkit.OfferedSieve, []string{`"SASL"`, `"SASL" PLAIN`, `"SASL" "PLAIN`, `SASL "PLAIN"`, `"SASL" {5+}`, `"SASL`}, ""},
	} {
		got := c.read(c.lines)
		if got == nil {
			t.Errorf("%s: the list is nil", c.name)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestOfferedIsBounded(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("AUTH X%d Y%d", i, i))
	}
	got := saslkit.OfferedSMTP(lines)
	if len(got) != 64 || got[0] != "X0" || got[63] != "Y31" {
		t.Errorf("%d names: %v", len(got), got)
	}
}

// FuzzOffered reads arbitrary text as each protocol does.
func FuzzOffered(f *testing.F) {
	for _, text := range []string{"AUTH PLAIN LOGIN", "AUTH=PLAIN=LOGIN\nauth plain", "AUTH=PLAIN\nAUTH=\n", "SASL PLAIN\tx", "\"SASL\" \"PLAIN LOGIN\"", "AUTH \x00 \xff\u212a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		for name, read := range map[string]func([]string) []string{
			"SMTP": saslkit.OfferedSMTP, "IMAP": saslkit.OfferedIMAP, "POP3": saslkit.OfferedPOP3, "ManageSieve": saslkit.OfferedSieve,
		} {
			got := read(lines)
			if got == nil || len(got) > 64 {
				t.Fatalf("%s: %d names, nil %v", name, len(got), got == nil)
			}
			for i, m := range got {
				if len(m) < 1 || len(m) > 20 || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || slices.Contains(got[:i], m) {
					t.Fatalf("%s: %q in %q", name, m, got)
				}
			}
			if again := saslkit.OfferedPOP3([]string{"SASL " + strings.Join(got, " ")}); !slices.Equal(again, got) {
				t.Fatalf("%s: %q is read again as %q", name, got, again)
			}
		}
	})
}
