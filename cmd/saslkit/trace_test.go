package main

import (
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/ntlm"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mechanism string
		number    int
		message   string
		want      string
	}{
		{"PLAIN", 0, "z\x00u\x00secret", `"z\x00u\x00<hidden>"`},
		{"PLAIN", 0, "secret", "<hidden>"},
		{"LOGIN", 0, "u", `"u"`},
		{"LOGIN", 1, "secret", "<hidden>"},
		{"LOGIN", 2, "secret", "<hidden>"},
		{"OTP", 0, "root\x00al", `"root\x00al"`},
		{"OTP", 1, "hex:0123456789abcdef", `"hex:<hidden>"`},
		{"OTP", 1, "0123456789abcdef", "<hidden>"},
		{"CRAM-MD5", 0, "a b secret", `"a b <hidden>"`},
		{"CRAM-MD5", 0, "secret", "<hidden>"},
		{"DIGEST-MD5", 0, `username="u",response=secret,qop=auth`, `"username="u",response=<hidden>,qop=auth"`},
		{"DIGEST-MD5", 0, `response = "secret,secret",qop=auth`, `"response = <hidden>,qop=auth"`},
		{"EXTERNAL", 0, "z\x1b", `"z\x1b"`},
		{"SCRAM-SHA-256", 0, "n,a=z,n=u,r=abc", `"n,a=z,n=u,r=abc"`},
		{"SCRAM-SHA-256-PLUS", 0, "p=tls-exporter,,n=u,r=abc", `"p=tls-exporter,,n=u,r=abc"`},
		{"SCRAM-SHA-256-PLUS", 1, "c=biws,r=abcdef,p=secret=", `"c=biws,r=abcdef,p=<hidden>"`},
		{"SCRAM-SHA-256", 1, "secret", "<hidden>"},
		{"SCRAM-SHA-256", 2, "", `""`},
		{"NTLM", 0, string(ntlm.Negotiate{Domain: []byte("secret")}.Append(nil)), "NTLM type 1"},
		{"NTLM", 1, string(ntlm.Authenticate{Flags: ntlm.Unicode, User: "u\x1b", Domain: "d", NT: []byte("secret")}.Append(nil)), `NTLM type 3, user "u\x1b", domain "d", <hidden>`},
		{"NTLM", 1, "NTLMSSP\x00secret", "<hidden>"},
		{"NOT-KNOWN-HERE", 0, "n,,n=u,r=secret", "<hidden>"},
	} {
		if got := redactResponse(test.mechanism, test.number, []byte(test.message)); got != test.want {
			t.Errorf("%s %q: got %s, want %s", test.mechanism, test.message, got, test.want)
		}
	}
	for _, test := range []struct{ mechanism, challenge, want string }{
		{"SCRAM-SHA-1", "r=abcdef,s=AAAA,i=4096", `"r=abcdef,s=AAAA,i=4096"`},
		{"SCRAM-SHA-1", "v=secret=", `"v=<hidden>"`},
		{"SCRAM-SHA-1", "v=secret,x=y,p=secret", `"v=<hidden>,x=y,p=<hidden>"`},
		{"SCRAM-SHA-1-PLUS", "e=channel-bindings-dont-match", `"e=channel-bindings-dont-match"`},
		{"SCRAM-SHA-1", "\x1b[2J", `"\x1b[2J"`},
		{"NTLM", string(ntlm.Challenge{Flags: ntlm.Unicode, Target: "mail.example"}.Append(nil)), `NTLM type 2, target "mail.example"`},
		{"NTLM", "secret", "<hidden>"},
		{"NOT-KNOWN-HERE", "secret", "<hidden>"},
	} {
		if got := redactChallenge(test.mechanism, []byte(test.challenge)); got != test.want {
			t.Errorf("%s challenge %q: got %s, want %s", test.mechanism, test.challenge, got, test.want)
		}
	}
}

// A secret that is part of another must not leave the rest of it to be read.
func TestLongerSecretsAreHiddenFirst(t *testing.T) {
	t.Parallel()
	tr := &tracer{}
	tr.hide("A")
	tr.hide("\x00u\x00A")
	const line = "AHUAQQ" // base64 of the longer one
	if got := tr.clean("what is " + line + "?"); strings.Contains(got, "HU") {
		t.Errorf("got %s", got)
	}
}

// A server repeats what it was told as it likes.
func TestPartsOfSecretsAreHidden(t *testing.T) {
	t.Parallel()
	tr := &tracer{}
	tr.hide("\x00alice\x00" + canary)
	said := encoded("\x00alice\x00" + canary)
	for name, test := range map[string]struct{ line, want string }{
		"whole":               {"unknown: " + said, "unknown: <hidden>"},
		"cut short":           {"unknown: " + said[:len(said)-3] + "...", "unknown: <hidden>..."},
		"without its middle":  {"unknown: " + said[:10] + "..." + said[15:], "unknown: <hidden>...<hidden>"},
		"the first of a line": {"unknown: " + said[:12], "unknown: <hidden>"},
		"and the rest":        {said[12:], "<hidden>"},
		"twice":               {said[3:11] + " " + said[3:11], "<hidden> <hidden>"},
		"nothing of it":       {"5.5.2 Error: command not recognized", "5.5.2 Error: command not recognized"},
		"a few bytes":         {said[:pieceSize-1], said[:pieceSize-1]},
		"nothing":             {"", ""},
	} {
		if got := tr.clean(test.line); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
