package mech

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

// layerWords are what somebody in between would put into a negotiation.
var layerWords = []string{
	`qop="auth"`, `qop="auth-int"`, `qop="auth-conf"`, `qop="auth,auth-int,auth-conf"`, "qop=auth", "qop=auth-int", "qop=auth-conf",
	`cipher="rc4-40"`, `cipher="des"`, "cipher=rc4", "cipher=3des", "cipher=rc4-56", "maxbuf=17", "maxbuf=300", "maxbuf=16777215", "maxbuf=0",
	"nc=00000002", "stale=true", ",", "auth-int", "auth", "rc4", "rc4-40",
}

// edited is a message with directives replaced or put in, or with an octet changed.
func edited(rng *rand.Rand, m []byte) []byte {
	fields := bytes.Split(m, []byte{','})
	i := rng.IntN(len(fields))
	word := []byte(layerWords[rng.IntN(len(layerWords))])
	switch rng.IntN(5) {
	case 0:
		fields[i] = word
	case 1:
		fields = append(fields, word)
	case 2: // in the place of its own kind
		for j := range fields {
			if name, _, ok := bytes.Cut(word, []byte("=")); ok && bytes.HasPrefix(fields[j], append(name, '=')) {
				fields[j] = word
			}
		}
	case 3:
		fields = append(fields[:i], fields[i+1:]...)
	default:
		changed := bytes.Clone(m)
		changed[rng.IntN(len(m))] ^= byte(1 << rng.IntN(8))
		return changed
	}
	return bytes.Join(fields, []byte{','})
}

// TestLayerNegotiationEdited: whatever somebody in between makes of the negotiation,
// neither side gets less than it wants at least, and what is sent under the layers
// arrives whole or not at all.
func TestLayerNegotiationEdited(t *testing.T) {
	t.Parallel()
	every := []string{"rc4", "3des", "rc4-56", "des", "rc4-40"}
	rng := rand.New(rand.NewPCG(3, 4))
	ended := map[string]int{}
	for range 4000 {
		limits := [2]Layers{}
		for i := range limits {
			limits[i] = Layers{Min: []int{0, 1, 55, 112}[rng.IntN(4)], Max: 128, Ciphers: every}
		}
		site := newDigestSite(t, time.Hour, 0)
		site.cfg.Layers = &limits[0]
		server, client := site.server(), digestClient(nil, func(c *ClientConfig) { c.Layers = limits[1] })
		ended[editedLogin(t, rng, client, server, limits)]++
	}
	t.Log(ended)
	for _, how := range []string{"refused", "agreed", "disagreed"} {
		if ended[how] == 0 {
			t.Errorf("none was %s", how)
		}
	}
}

func editedLogin(t *testing.T, rng *rand.Rand, client Client, server Server, limits [2]Layers) string {
	t.Helper()
	at := rng.IntN(3)
	change := func(place int, m []byte) []byte {
		if place == at {
			return edited(rng, m)
		}
		return m
	}
	client.Start()
	o := server.Step(t.Context(), nil)
	response, err := client.Next(change(0, o.Data))
	if err != nil {
		return "refused"
	}
	if o = server.Step(t.Context(), change(1, response)); o.State != Done {
		return "refused"
	}
	if l := LayerOf(server); strengthOf(l) < limits[0].Min {
		t.Fatalf("the server is content with %v", l)
	}
	if _, err := client.Next(change(2, o.Data)); err != nil || client.Finish() != nil {
		return "refused"
	}
	l := client.Assurance().Layer
	if strengthOf(l) < limits[1].Min {
		t.Fatalf("the client is content with %v", l)
	}
	if l == nil || LayerOf(server) == nil {
		if l != LayerOf(server) {
			t.Fatalf("the client has %v and the server %v: qop is covered", l, LayerOf(server))
		}
		return "agreed"
	}
	wire := new(fakeConn)
	if _, err := l.Conn(wire).Write([]byte("secret message")); err != nil {
		t.Fatal(err)
	}
	far := new(fakeConn)
	far.in.Write(wire.out.Bytes())
	got, err := io.ReadAll(LayerOf(server).Conn(far))
	switch {
	case err == nil && string(got) == "secret message" && l.Name == LayerOf(server).Name:
		return "agreed"
	case errors.Is(err, ErrLayer) && len(got) == 0 && l.Name != LayerOf(server).Name:
		return "disagreed" // the cipher is not covered
	}
	t.Fatalf("%s to %s: %q, %v", l.Name, LayerOf(server).Name, got, err)
	return ""
}

func strengthOf(l *Layer) int {
	if l == nil {
		return 0
	}
	return l.Strength
}

// FuzzDigestLayers: a server with layers and remembered nonces, and one login that went
// well. Nobody is let in by what the fuzzer makes of it, but by the next message of
// that client.
func FuzzDigestLayers(f *testing.F) {
	for _, l := range []Layers{{}, {Max: 128}} {
		site := newDigestSite(f, time.Hour, 0)
		site.cfg.Layers = &l
		d := talk(f, digestClient(nil, nil), site.server())
		f.Add(uint8(l.Max), d.responses[1], []byte(nil))
		f.Add(uint8(l.Max), bytes.Replace(d.responses[1], []byte("nc=00000001"), []byte("nc=00000002"), 1), d.responses[1])
	}
	f.Fuzz(func(t *testing.T, limit uint8, a, b []byte) {
		site := &digestSite{cfg: ServerConfig{Service: "smtp", Layers: &Layers{Max: int(limit)}, nonce: func() string { return "n" }}, password: "secret"}
		site.cfg.Nonces, _ = NewNonces(time.Hour, 3)
		site.cfg.Nonces.remember(&digestResponse{username: "al", realm: "example.com", nonce: "m", cnonce: "c", nc: firstCount})
		s := site.server()
		for i, m := range [][]byte{a, b, a} {
			if i == 0 && len(m) == 0 {
				m = nil
			}
			o := s.Step(t.Context(), m)
			if o.State == Done && !provesSecret(m) {
				t.Fatalf("let in by %q", m)
			}
			if o.State != More {
				if l := LayerOf(s); o.State == Failed && l != nil || strengthOf(l) > int(limit) {
					t.Fatalf("state %d with %v", o.State, l)
				}
				break
			}
		}
		if site.lookups > 2 || len(site.cfg.Nonces.known) > 3 {
			t.Fatalf("%d look-ups, %d nonces", site.lookups, len(site.cfg.Nonces.known))
		}
	})
}

// provesSecret reports whether a response knows al's password.
func provesSecret(m []byte) bool {
	r, err := parseDigestResponse(m)
	if err != nil {
		return false
	}
	_, match, err := r.verify(verifier.Secret{Kind: verifier.KindPassword, Value: []byte("secret")})
	return err == nil && match && r.username == "al"
}
