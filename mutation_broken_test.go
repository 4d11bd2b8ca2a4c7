package saslkit_test

import (
	"bytes"
	"testing"

	"github.com/saslkit/saslkit/mech"
)

// TestMutationsAreNoticed breaks a server or a client, each in a way in which some
// program has been broken. The edits must bring it to light.
func TestMutationsAreNoticed(t *testing.T) {
	t.Parallel()
	all := func(*mech.Mechanism) bool { return true }
	mutual := func(m *mech.Mechanism) bool { return m.Provides&mech.MutualAuth != 0 }
	for _, c := range []struct {
		name  string
		rows  func(*mech.Mechanism) bool
		spoil func(*contest)
	}{
		{"a client that does not look at the server's proof", mutual, func(c *contest) { c.client = credulous{c.client} }},
		{"a client to which cases are the same", mutual, func(c *contest) { c.client = &lenient{c.client, c} }},
		{"a server to which cases are the same", all, forgives(foldCase)},
		{"a server that reads as far as it likes", all, forgives(ignoreRest)},
		{"a server that takes an earlier answer", func(m *mech.Mechanism) bool { return mutual(m) || m == mech.OTP }, forgives(takeEarlier)},
		{"a server that ignores the authorization identity", func(m *mech.Mechanism) bool { return m == mech.PLAIN }, forgives(dropAuthzid)},
	} {
		for _, m := range mech.All() {
			if !c.rows(m) {
				continue
			}
			t.Run(c.name+"/"+m.Name, func(t *testing.T) {
				t.Parallel()
				if r := mutate(m, 20_000, c.spoil); r.failures == nil {
					t.Errorf("not noticed in %d exchanges, of which %d were edited", r.played, r.touched)
				}
			})
		}
	}
}

// credulous is a client that goes on whatever it hears.
type credulous struct{ clientSide }

func (c credulous) Next(challenge []byte) ([]byte, error) {
	if response, err := c.clientSide.Next(challenge); err == nil {
		return response, nil
	}
	return []byte{}, nil
}

func (credulous) Finish() error { return nil }

// lenient is a client that reads what the server sent whatever the case of its
// letters.
type lenient struct {
	clientSide
	c *contest
}

func (l *lenient) Next(challenge []byte) ([]byte, error) {
	if n := len(l.c.told); n > 0 && bytes.EqualFold(l.c.told[n-1].sent, challenge) {
		challenge = l.c.told[n-1].sent
	}
	return l.clientSide.Next(challenge)
}

// forgiving is a server that reads what the client sent in place of what it got, or
// something else again.
type forgiving struct {
	serverSide
	c     *contest
	reads func(c *contest, sent, got []byte) []byte
}

func (f *forgiving) step(got []byte) ([]byte, mech.State, error) {
	sent := f.c.heard[len(f.c.heard)-1].sent
	if len(sent) > 0 && got != nil {
		got = f.reads(f.c, sent, got)
	}
	return f.serverSide.step(got)
}

func forgives(reads func(c *contest, sent, got []byte) []byte) func(*contest) {
	return func(c *contest) { c.server = &forgiving{c.server, c, reads} }
}

func foldCase(_ *contest, sent, got []byte) []byte {
	if bytes.EqualFold(sent, got) {
		return sent
	}
	return got
}

func ignoreRest(_ *contest, sent, got []byte) []byte {
	if bytes.HasPrefix(got, sent) {
		return sent
	}
	return got
}

func takeEarlier(c *contest, sent, got []byte) []byte {
	if i := len(c.heard) - 1; i < len(c.who.responses) && bytes.Equal(got, c.who.responses[i]) {
		return sent
	}
	return got
}

func dropAuthzid(_ *contest, _, got []byte) []byte {
	if i := bytes.IndexByte(got, 0); i >= 0 {
		return got[i:]
	}
	return got
}
