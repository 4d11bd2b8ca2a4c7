package main

import (
	"strings"
	"testing"
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
		{"CRAM-MD5", 0, "a b secret", `"a b <hidden>"`},
		{"CRAM-MD5", 0, "secret", "<hidden>"},
		{"DIGEST-MD5", 0, `username="u",response=secret,qop=auth`, `"username="u",response=<hidden>,qop=auth"`},
		{"DIGEST-MD5", 0, `response = "secret,secret",qop=auth`, `"response = <hidden>,qop=auth"`},
		{"EXTERNAL", 0, "z\x1b", `"z\x1b"`},
		{"NOT-KNOWN-HERE", 0, "n,,n=u,r=secret", "<hidden>"},
	} {
		if got := redactResponse(test.mechanism, test.number, []byte(test.message)); got != test.want {
			t.Errorf("%s %q: got %s, want %s", test.mechanism, test.message, got, test.want)
		}
	}
	if got := redactChallenge("NOT-KNOWN-HERE", []byte("secret")); got != hidden {
		t.Errorf("challenge of an unknown mechanism: %s", got)
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
