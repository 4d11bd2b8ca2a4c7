package mech

import (
	"context"
	"testing"

	"github.com/saslkit/saslkit/verifier"
)

// brokenDecoy hands out, for a user who is not there, a decoy with which nothing
// can be computed.
type brokenDecoy struct{ nobody }

func (brokenDecoy) LookupSecret(_ context.Context, _, _ string, kinds []verifier.Kind) (verifier.Secret, error) {
	return verifier.Secret{Kind: kinds[0], Value: []byte("too short")}, verifier.ErrNoUser
}

// TestDecoyIsComputedWith shows that the work of an unknown user is done before he
// is refused: with a decoy that cannot be computed with, that is what comes out.
func TestDecoyIsComputedWith(t *testing.T) {
	for m, response := range map[*Mechanism]string{
		CRAMMD5:   "al 00000000000000000000000000000000",
		DIGESTMD5: `username="al",realm="example.com",nonce="n",nc=00000001,cnonce="c",digest-uri="smtp/h",response=00000000000000000000000000000000,qop=auth`,
	} {
		for backend, want := range map[Backend]Class{brokenDecoy{}: Unavailable, nobody{}: BadCredentials} {
			s := m.NewServer(&ServerConfig{Service: "smtp", nonce: func() string { return "n" }}, backend)
			s.Step(t.Context(), nil)
			if o := s.Step(t.Context(), []byte(response)); o.State != Failed || o.Err.Class != want {
				t.Errorf("%s, %T: %v, want %v", m.Name, backend, o.Err, want)
			}
		}
	}
}

// TestDecoyNeverMatches: a response that is right for the decoy is refused as well.
func TestDecoyNeverMatches(t *testing.T) {
	decoy := verifier.Secret{Kind: verifier.KindPassword, Value: []byte("decoy password")} // nobody's
	cram, err := cramMD5Digest(decoy, "n")
	if err != nil {
		t.Fatal(err)
	}
	r := digestResponse{username: "al", realm: "example.com", nonce: "n", cnonce: "c", nc: "00000001", qop: "auth", uri: "smtp/h", utf8: true}
	value := r.compute(r.ha1(r.userHash(decoy, 0)), "AUTHENTICATE:")
	r.response = string(value[:])
	if _, match, err := r.verify(decoy); !match || err != nil {
		t.Fatalf("the response is not that of the decoy: %v", err)
	}
	for m, response := range map[*Mechanism][]byte{CRAMMD5: []byte("al " + cram), DIGESTMD5: r.append(nil)} {
		s := m.NewServer(&ServerConfig{Service: "smtp", nonce: func() string { return "n" }}, nobody{})
		s.Step(t.Context(), nil)
		if o := s.Step(t.Context(), response); o.State != Failed || o.Err.Class != BadCredentials {
			t.Errorf("%s: state %d, %v", m.Name, o.State, o.Err)
		}
	}
}
