package mech

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

// TestLayerNegotiation: the strongest that both sides permit, and nothing weaker than
// either of them wants.
func TestLayerNegotiation(t *testing.T) {
	t.Parallel()
	every := []string{"rc4", "3des", "rc4-56", "des", "rc4-40"}
	full := Layers{Max: 256, Ciphers: every}
	for _, c := range []struct {
		name           string
		server, client Layers
		want           string // "" for none; else the layer, or a code of the client
	}{
		{"nobody wants any", Layers{}, Layers{}, ""},
		{"the server could", full, Layers{}, ""},
		{"the client could", Layers{}, full, ""},
		{"everything", full, full, "auth-conf with rc4"},
		{"integrity at most", Layers{Max: 1}, full, "auth-int"},
		{"integrity at least", Layers{Min: 1, Max: 1}, full, "auth-int"},
		{"up to 112", Layers{Max: 112}, full, "auth-conf with 3des"},
		{"up to 56", Layers{Max: 56, Ciphers: every}, full, "auth-conf with rc4-56"},
		{"up to 55", Layers{Max: 55, Ciphers: every}, full, "auth-conf with des"},
		{"up to 40", Layers{Max: 40, Ciphers: every}, full, "auth-conf with rc4-40"},
		{"up to 40, and that only if named", Layers{Max: 40}, full, "auth-int"},
		{"one cipher in common", Layers{Max: 128, Ciphers: []string{"des", "rc4"}}, Layers{Max: 128, Ciphers: []string{"3des", "des"}}, "auth-conf with des"},
		{"no cipher in common", Layers{Max: 128, Ciphers: []string{"rc4"}}, Layers{Max: 128, Ciphers: []string{"3des"}}, "auth-int"},
		{"no ciphers at all", Layers{Max: 128, Ciphers: []string{}}, full, "auth-int"},
		{"the client must have a key", Layers{Max: 1}, Layers{Min: 40, Max: 128, Ciphers: every}, "no-layer"},
		{"the client must have integrity", Layers{}, Layers{Min: 1, Max: 1}, "no-layer"},
		{"the server must have a key", Layers{Min: 112, Max: 128}, Layers{Max: 1}, "bad-qop"},
		{"the server must have integrity", Layers{Min: 1, Max: 1}, Layers{}, "bad-qop"},
		{"small buffers", Layers{Max: 128, MaxBuffer: 256}, Layers{Max: 128, MaxBuffer: 256}, "auth-conf with rc4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			site := newDigestSite(t, time.Hour, 0)
			site.cfg.Layers = &c.server
			s, client := site.server(), digestClient(nil, func(cfg *ClientConfig) { cfg.Layers = c.client })
			d := talk(t, client, s)
			if LayerOf(s) == nil != (client.Assurance().Layer == nil) {
				t.Fatalf("server %v, client %v", LayerOf(s), client.Assurance().Layer)
			}
			got := ""
			var e *Error
			switch l := LayerOf(s); {
			case errors.As(d.client, &e):
				got = e.Code
			case d.server.State != Done:
				t.Fatalf("server: %v", d.server.Err)
			case l != nil:
				got = l.Name
				if other := client.Assurance().Layer; other.Name != l.Name || other.Strength != l.Strength {
					t.Errorf("the client has %s of %d, the server %s of %d", other.Name, other.Strength, l.Name, l.Strength)
				}
				carries(t, client.Assurance().Layer, l)
				if len(site.cfg.Nonces.known) != 0 {
					t.Error("the nonce is remembered: another login would have the same keys")
				}
			}
			if got != c.want {
				t.Errorf("%q, want %q\n%q", got, c.want, d.challenges)
			}
		})
	}
}

// carries sends something in both directions.
func carries(t *testing.T, client, server *Layer) {
	t.Helper()
	a, b := net.Pipe()
	ends := [2]net.Conn{client.Conn(a), server.Conn(b)}
	text := bytes.Repeat([]byte("x"), 1000)
	for i, end := range ends {
		end.SetDeadline(time.Now().Add(3 * time.Minute))
		ends[1-i].SetDeadline(time.Now().Add(3 * time.Minute))
		sent := make(chan error, 1)
		go func() { _, err := end.Write(text); sent <- err }()
		got := make([]byte, len(text))
		if _, err := io.ReadFull(ends[1-i], got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("received %q, %v", got, err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
	a.Close()
	b.Close()
}

// TestLayerDowngrade: a client that takes less than was offered, or something that was
// not, is refused before any look-up.
func TestLayerDowngrade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		layers      Layers
		qop, cipher string
		buffer      int
		want        string
	}{
		{"no layer", Layers{Min: 1, Max: 128}, qopAuth, "", 0, "bad-qop"},
		{"integrity in place of a cipher", Layers{Min: 112, Max: 128}, qopInt, "", 0, "bad-qop"},
		{"a weaker cipher", Layers{Max: 128}, qopConf, "rc4-40", 0, "bad-qop"},
		{"a cipher that does not exist", Layers{Max: 128}, qopConf, "aes", 0, "bad-qop"},
		{"another case", Layers{Max: 128}, qopConf, "RC4", 0, "bad-qop"},
		{"no cipher", Layers{Max: 128}, qopConf, "", 0, "bad-qop"},
		{"a cipher with auth-int", Layers{Max: 128}, qopInt, "rc4", 0, "bad-qop"},
		{"a cipher with auth", Layers{Max: 128}, qopAuth, "rc4", 0, "bad-qop"},
		{"a layer where none is", Layers{}, qopInt, "", 0, "bad-qop"},
		{"an unknown qop", Layers{Max: 128}, "auth-more", "", 0, "bad-qop"},
		{"a buffer without room", Layers{Max: 128}, qopConf, "3des", 17, "bad-qop"},
		{"a buffer with little room", Layers{Max: 128}, qopConf, "3des", 22, ""},
		{"a buffer for one byte", Layers{Max: 128}, qopInt, "", 17, ""},
		{"a small buffer without a layer", Layers{Max: 128}, qopAuth, "", 17, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			site := newDigestSite(t, 0, 0)
			site.cfg.Layers = &c.layers
			site.cfg.nonce = func() string { return "n" }
			s := site.server()
			s.Step(t.Context(), nil)
			r := digestResponse{username: "al", realm: "example.com", nonce: "n", cnonce: "c", nc: firstCount, uri: "smtp/h", qop: c.qop, cipher: c.cipher, buffer: c.buffer}
			value := r.compute(r.ha1(r.userHash(verifier.Secret{Kind: verifier.KindPassword, Value: []byte("secret")}, 0)), "AUTHENTICATE:")
			r.response = string(value[:])
			o := s.Step(t.Context(), r.append(nil))
			switch {
			case c.want == "" && o.State != Done:
				t.Errorf("refused: %v (%s)", o.Err, o.Err.Detail())
			case c.want != "" && (o.State != Failed || o.Err.Code != c.want || o.Err.Class != Malformed || site.lookups != 0 || LayerOf(s) != nil):
				t.Errorf("state %d, %v, %d look-ups", o.State, o.Err, site.lookups)
			}
		})
	}
}

// TestLayerOffer is the challenge, which the zero policy does not change.
func TestLayerOffer(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]Layers{
		`nonce="n",qop="auth",charset=utf-8,algorithm=md5-sess`:                                                               {},
		`nonce="n",qop="auth,auth-int",charset=utf-8,algorithm=md5-sess`:                                                      {Max: 1},
		`nonce="n",qop="auth,auth-int,auth-conf",charset=utf-8,cipher="rc4,3des",algorithm=md5-sess`:                          {Max: 128},
		`nonce="n",qop="auth-conf",charset=utf-8,cipher="3des",maxbuf=1000,algorithm=md5-sess`:                                {Min: 56, Max: 112, MaxBuffer: 1000},
		`nonce="n",qop="auth-int,auth-conf",charset=utf-8,cipher="rc4,3des,rc4-56,des,rc4-40",maxbuf=1000,algorithm=md5-sess`: {Min: 1, Max: 128, MaxBuffer: 1000, Ciphers: []string{"rc4-40", "des", "rc4-56", "3des", "rc4"}},
	} {
		site := newDigestSite(t, 0, 0)
		site.cfg.Layers = &l
		site.cfg.nonce = func() string { return "n" }
		got := string(site.server().Step(t.Context(), nil).Data)
		if got = strings.TrimPrefix(got, `realm="example.com",`); got != want {
			t.Errorf("%+v: %s\nwant %s", l, got, want)
		}
	}
}

func TestLayersValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		l  Layers
		ok bool
	}{
		{Layers{}, true},
		{Layers{Min: 1, Max: 128}, true},
		{Layers{Max: 128, Ciphers: []string{"rc4-40"}, MaxBuffer: 256}, true},
		{Layers{MaxBuffer: maxLayerBuffer}, true},
		{Layers{Min: 1}, false},
		{Layers{Min: -1}, false},
		{Layers{Max: -1}, false},
		{Layers{Ciphers: []string{"aes"}}, false},
		{Layers{MaxBuffer: 255}, false},
		{Layers{MaxBuffer: maxLayerBuffer + 1}, false},
	} {
		if err := c.l.Validate(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrLayers) {
			t.Errorf("%+v: %v", c.l, err)
		}
	}
	for _, m := range All() {
		if (m == DIGESTMD5) != (Layers{Max: 128}.Strongest(m) == 128) || (Layers{}).Strongest(m) != 0 || (Layers{Min: 5}).Strongest(m) != 0 {
			t.Errorf("%s: strongest layer %d", m.Name, Layers{Max: 128}.Strongest(m))
		}
	}
}
