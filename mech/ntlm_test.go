package mech

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/ntlm"
)

// sameNTLM compares what counts in a message. Flags and layout differ between programs,
// and so does the LM response, which nobody needs beside the other.
func sameNTLM(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if len(got) < 12 || !bytes.Equal(got[:12], want[:12]) {
		t.Fatalf("%s begins with %q, want %q", what, got[:min(12, len(got))], want[:12])
	}
	var a, b any
	switch want[8] {
	case 1:
		a, b = essentialNegotiate(t, got), essentialNegotiate(t, want)
	case 2:
		a, b = essentialChallenge(t, got), essentialChallenge(t, want)
	case 3:
		a, b = essentialAuthenticate(t, got), essentialAuthenticate(t, want)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func essentialNegotiate(t *testing.T, b []byte) ntlm.Flags {
	m, err := ntlm.ParseNegotiate(b)
	if err != nil {
		t.Fatal(err)
	}
	return m.Flags & (ntlm.Unicode | ntlm.NTLM)
}

func essentialChallenge(t *testing.T, b []byte) ntlm.Challenge {
	m, err := ntlm.ParseChallenge(b)
	if err != nil {
		t.Fatal(err)
	}
	m.Flags &= ntlm.Unicode
	return m
}

func essentialAuthenticate(t *testing.T, b []byte) ntlm.Authenticate {
	m, err := ntlm.ParseAuthenticate(b)
	if err != nil {
		t.Fatal(err)
	}
	return ntlm.Authenticate{User: m.User, Domain: m.Domain, Workstation: m.Workstation, NT: m.NT}
}
