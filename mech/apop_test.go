package mech

import (
	"strings"
	"testing"
)

// TestAPOPExample is that of RFC 1939 section 7.
func TestAPOPExample(t *testing.T) {
	t.Parallel()
	const greeting = "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>"
	got, err := APOPCommand(greeting, Credentials{Username: "mrose", Password: "tanstaaf"})
	if want := "APOP mrose c4c9334bac560ecc979e58001b3e22fb"; got != want || err != nil {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// TestAPOPTimestamp: only what has the form of ours and of other servers, since a form
// that is freer lets whoever chooses it find passwords by collisions.
func TestAPOPTimestamp(t *testing.T) {
	t.Parallel()
	for greeting, want := range map[string]string{
		"+OK <1896.697170952@dbc.mtview.ca.us>": "<1896.697170952@dbc.mtview.ca.us>",
		"+OK <a@b> and more":                    "<a@b>",
		"+OK ready":                             "",
		"+OK <ready>":                           "",
		"+OK <@b>":                              "",
		"+OK <a@>":                              "",
		"+OK <a@b":                              "",
		"+OK <a@b@c>":                           "",
		"+OK <a<b@c>":                           "",
		"+OK <a@b<c>":                           "",
		"+OK <a b@c>":                           "",
		"+OK <a\x80@b>":                         "",
		"+OK <a\x01@b>":                         "",
		"+OK <a\r\n@b>":                         "",
		"+OK <" + strings.Repeat("a", maxAPOPTimestamp) + "@b>": "",
		"": "",
	} {
		if got, ok := apopTimestamp(greeting); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", greeting, got, ok)
		}
	}
	seen := map[string]bool{}
	for range 100 {
		made := NewAPOPTimestamp("mail.example")
		if got, ok := apopTimestamp("+OK " + made); got != made || !ok || !strings.HasSuffix(made, "@mail.example>") || seen[made] {
			t.Errorf("%q", made)
		}
		seen[made] = true
	}
	if made := NewAPOPTimestamp(""); !strings.HasSuffix(made, "@localhost>") {
		t.Errorf("%q", made)
	}
}

func TestAPOPClientRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Credentials{
		"no name":        {Password: "x"},
		"no password":    {Username: "al"},
		"a line end":     {Username: "a\r\nDELE 1", Password: "x"},
		"a blank":        {Username: "a b", Password: "x"},
		"somebody else":  {Username: "al", Password: "x", Authzid: "root"},
		"NUL in between": {Username: "a\x00l", Password: "x"},
	} {
		if command, err := APOPCommand("+OK <a@b>", c); err == nil || command != "" {
			t.Errorf("%s: %q", name, command)
		}
	}
}

func FuzzAPOPGreeting(f *testing.F) {
	f.Add("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>")
	f.Add("+OK <<a@b>>")
	f.Fuzz(func(t *testing.T, greeting string) {
		timestamp, ok := apopTimestamp(greeting)
		if again, still := apopTimestamp(timestamp); ok != (timestamp != "") || ok && (!still || again != timestamp || !strings.Contains(greeting, timestamp)) {
			t.Fatalf("%q: %q, %v and then %q", greeting, timestamp, ok, again)
		}
	})
}
