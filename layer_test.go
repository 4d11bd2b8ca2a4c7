package saslkit_test

import (
	"errors"
	"io"
	"net"
	"net/smtp"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

func layeredAuth(l mech.Layers) *saslkit.Authenticator {
	return &saslkit.Authenticator{
		Verifier: verifier.Static{"al": "secret"}, Mechanisms: []string{"DIGEST-MD5", "PLAIN"},
		Policy: anything, Layers: l,
	}
}

func layeredPeer(a *saslkit.Authenticator, ch saslkit.Channel) *saslkit.Peer {
	return a.NewPeer(saslkit.PeerConfig{
		Service: "ldap", Realm: realm.Policy{Default: testRealm},
		Channel: func() saslkit.Channel { return ch },
	})
}

func layeredClient(l mech.Layers, ch saslkit.Channel) saslkit.ClientConfig {
	return saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "al", Password: "secret"},
		Mechanisms:  []string{"DIGEST-MD5"}, Policy: anything, Channel: ch,
		Service: "ldap", Host: "h", Layers: l,
	}
}

// logIn lets the two log in, in the form of a protocol that carries data with success.
func logIn(t *testing.T, c *saslkit.ClientExchange, x *saslkit.Exchange) error {
	t.Helper()
	_, response, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	for {
		o := x.Step(response)
		if o.State == saslkit.Failed {
			return o.Err
		}
		if o.Data != nil {
			if response, err = c.Next(o.Data); err != nil {
				return err
			}
		}
		if o.State == saslkit.Done {
			return c.Finish()
		}
	}
}

// TestLayer: a login, a layer, and what both sides know about it.
func TestLayer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		layers   mech.Layers
		channel  saslkit.Channel
		want     string
		strength int
	}{
		{name: "none"},
		{name: "integrity", layers: mech.Layers{Min: 1, Max: 1}, want: "auth-int", strength: 1},
		{name: "a cipher", layers: mech.Layers{Max: 256}, want: "auth-conf with rc4", strength: 128},
		{name: "3des", layers: mech.Layers{Min: 112, Max: 256, Ciphers: []string{"3des"}}, want: "auth-conf with 3des", strength: 112},
		{name: "under TLS", layers: mech.Layers{Min: 1, Max: 256}, channel: saslkit.Channel{Secure: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := layeredPeer(layeredAuth(c.layers), c.channel)
			x, err := peer.Start("DIGEST-MD5")
			if err != nil {
				t.Fatal(err)
			}
			client, err := saslkit.NewClient(layeredClient(c.layers, c.channel))
			if err != nil {
				t.Fatal(err)
			}
			near, far := net.Pipe()
			if conn, err := x.Layer(far); conn != nil || err == nil {
				t.Errorf("the server's before the end: %v, %v", conn, err)
			}
			if conn, err := client.Layer(near); conn != nil || err == nil {
				t.Errorf("the client's before the end: %v, %v", conn, err)
			}
			if err := logIn(t, client, x); err != nil {
				t.Fatal(err)
			}
			if r, ok := peer.Result(); !ok || r.Layer != c.want || r.Strength != c.strength {
				t.Errorf("result %+v, %v", r, ok)
			}
			if l := client.Assurance().Layer; (l == nil) != (c.want == "") || l != nil && (l.Name != c.want || l.Strength != c.strength) {
				t.Errorf("the client has %v", l)
			}
			server, err := x.Layer(far)
			if err != nil || (server == far) != (c.want == "") {
				t.Fatalf("%v, %v", server, err)
			}
			conn, err := client.Layer(near)
			if err != nil || (conn == near) != (c.want == "") {
				t.Fatalf("%v, %v", conn, err)
			}
			if conn, err := x.Layer(far); conn != nil || err == nil {
				t.Errorf("a second time: %v, %v", conn, err)
			}
			if conn, err := client.Layer(near); conn != nil || err == nil {
				t.Errorf("the client's a second time: %v, %v", conn, err)
			}
			echoes(t, conn, server)
		})
	}
}

// echoes sends a line there and back.
func echoes(t *testing.T, client, server net.Conn) {
	t.Helper()
	client.SetDeadline(time.Now().Add(3 * time.Minute))
	go func() {
		io.Copy(server, server)
		server.Close()
	}()
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	client.Close()
}

// TestLayerAfterForget: who has logged out has no layer to put on.
func TestLayerAfterForget(t *testing.T) {
	t.Parallel()
	l := mech.Layers{Min: 1, Max: 1}
	peer := layeredPeer(layeredAuth(l), saslkit.Channel{})
	x, err := peer.Start("DIGEST-MD5")
	if err != nil {
		t.Fatal(err)
	}
	client, err := saslkit.NewClient(layeredClient(l, saslkit.Channel{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := logIn(t, client, x); err != nil {
		t.Fatal(err)
	}
	peer.Forget()
	if conn, err := x.Layer(nil); conn != nil || err == nil {
		t.Errorf("%v, %v", conn, err)
	}
}

// TestLayerDemanded: what cannot have the layer that the policy asks for is not
// offered, and refused if it is asked for all the same.
func TestLayerDemanded(t *testing.T) {
	t.Parallel()
	clear, secure := saslkit.Channel{}, saslkit.Channel{Secure: true}
	for _, c := range []struct {
		name                string
		layers              mech.Layers
		clear, bare, secure []string // to Start, to hosts of go-sasl, under TLS
	}{
		{"no policy", mech.Layers{}, []string{"DIGEST-MD5", "PLAIN"}, []string{"DIGEST-MD5", "PLAIN"}, []string{"DIGEST-MD5", "PLAIN"}},
		{"a layer if possible", mech.Layers{Max: 128}, []string{"DIGEST-MD5", "PLAIN"}, []string{"DIGEST-MD5", "PLAIN"}, []string{"DIGEST-MD5", "PLAIN"}},
		{"a layer", mech.Layers{Min: 1, Max: 128}, []string{"DIGEST-MD5"}, nil, []string{"DIGEST-MD5", "PLAIN"}},
		{"more than there is", mech.Layers{Min: 200, Max: 256}, nil, nil, []string{"DIGEST-MD5", "PLAIN"}},
		{"ciphers too weak", mech.Layers{Min: 112, Max: 256, Ciphers: []string{"des"}}, nil, nil, []string{"DIGEST-MD5", "PLAIN"}},
		{"a contradiction", mech.Layers{Min: 1}, nil, nil, []string{"DIGEST-MD5", "PLAIN"}},
	} {
		a := layeredAuth(c.layers)
		if got := a.Advertised(clear); !slices.Equal(got, c.clear) {
			t.Errorf("%s: advertised %v, want %v", c.name, got, c.clear)
		}
		if got := a.Advertised(secure); !slices.Equal(got, c.secure) {
			t.Errorf("%s: advertised under TLS %v, want %v", c.name, got, c.secure)
		}
		peer := layeredPeer(a, clear)
		if got := peer.AuthMechanisms(); !slices.Equal(got, c.bare) {
			t.Errorf("%s: a host of go-sasl offers %v, want %v", c.name, got, c.bare)
		}
		for _, m := range []string{"DIGEST-MD5", "PLAIN"} {
			_, err := peer.Start(m)
			wantOffered(t, c.name+", Start of "+m, err, slices.Contains(c.clear, m))
			_, err = peer.Auth(m)
			wantOffered(t, c.name+", Auth of "+m, err, slices.Contains(c.bare, m))
		}
	}
}

func wantOffered(t *testing.T, what string, err error, offered bool) {
	t.Helper()
	var e *saslkit.Error
	if offered != (err == nil) || err != nil && (!errors.As(err, &e) || e.Class != mech.EncryptionRequired || !strings.Contains(e.Detail(), "security layer")) {
		t.Errorf("%s: %v, want it offered: %v", what, err, offered)
	}
}

// TestLayerNotForGoSASL: go-smtp and go-imap cannot put a layer on, so none is
// negotiated with them.
func TestLayerNotForGoSASL(t *testing.T) {
	t.Parallel()
	peer := layeredPeer(layeredAuth(mech.Layers{Max: 128}), saslkit.Channel{})
	server, err := peer.Auth("DIGEST-MD5")
	if err != nil {
		t.Fatal(err)
	}
	challenge, _, err := server.Next(nil)
	if err != nil || !strings.Contains(string(challenge), `qop="auth",`) || strings.Contains(string(challenge), "cipher") {
		t.Errorf("%q, %v", challenge, err)
	}
}

// TestClientWantsLayer: a client that insists takes no mechanism without.
func TestClientWantsLayer(t *testing.T) {
	t.Parallel()
	demand := mech.Layers{Min: 112, Max: 256}
	cfg := layeredClient(demand, saslkit.Channel{})
	cfg.Mechanisms = []string{"SCRAM-SHA-256", "PLAIN", "DIGEST-MD5"}
	x, err := saslkit.NewClient(cfg)
	if err != nil || x.Mechanism() != "DIGEST-MD5" {
		t.Fatalf("%v, %v", x, err)
	}
	peer := layeredPeer(layeredAuth(mech.Layers{Max: 56, Ciphers: []string{"rc4-56"}}), saslkit.Channel{})
	server, err := peer.Start("DIGEST-MD5")
	if err != nil {
		t.Fatal(err)
	}
	var e *saslkit.Error
	if err := logIn(t, x, server); !errors.As(err, &e) || e.Class != mech.TooWeak {
		t.Errorf("a server with less: %v", err)
	}
	cfg.Mechanisms = []string{"SCRAM-SHA-256", "PLAIN"}
	if _, err := saslkit.NewClient(cfg); !errors.As(err, &e) || e.Class != mech.EncryptionRequired {
		t.Errorf("without DIGEST-MD5: %v", err)
	}
	cfg.Channel.Secure = true
	if x, err := saslkit.NewClient(cfg); err != nil || x.Mechanism() != "SCRAM-SHA-256" {
		t.Errorf("under TLS: %v", err)
	}
	cfg.Layers.Min, cfg.Channel.Secure = 300, false
	if _, err := saslkit.NewClient(cfg); !errors.Is(err, mech.ErrLayers) {
		t.Errorf("a contradiction: %v", err)
	}
}

// TestSMTPAuthHasNoLayer: net/smtp cannot put one on, so none is negotiated, and none
// can be demanded but under TLS.
func TestSMTPAuthHasNoLayer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		layers mech.Layers
		tls    bool
		ok     bool
	}{{mech.Layers{Max: 128}, false, true}, {mech.Layers{Min: 1, Max: 128}, false, false}, {mech.Layers{Min: 1, Max: 128}, true, true}} {
		cfg := layeredClient(c.layers, saslkit.Channel{})
		a := saslkit.SMTPAuth(cfg)
		_, _, err := a.Start(&smtp.ServerInfo{Name: "h", TLS: c.tls, Auth: []string{"DIGEST-MD5"}})
		if (err == nil) != c.ok {
			t.Errorf("%+v, TLS %v: %v", c.layers, c.tls, err)
			continue
		}
		if c.ok {
			response, err := a.Next([]byte(`realm="r",nonce="n",qop="auth,auth-int,auth-conf",cipher="rc4",algorithm=md5-sess,charset=utf-8`), true)
			if err != nil || !strings.Contains(string(response), ",qop=auth") || strings.Contains(string(response), ",qop=auth-") {
				t.Errorf("%q, %v", response, err)
			}
		}
	}
}

// TestSMTPAuthSubsequent: a subsequent login whose message is too long for a command is a
// full one.
func TestSMTPAuthSubsequent(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"al", strings.Repeat("l", 200)} {
		a := layeredAuth(mech.Layers{})
		a.Verifier, a.NonceLife = verifier.Static{name: "secret"}, time.Hour
		cfg := layeredClient(mech.Layers{}, saslkit.Channel{})
		cfg.Credentials.Username, cfg.Previous, cfg.Service = name, new(mech.Previous), "ldap"
		for i := range 3 {
			server, err := layeredPeer(a, saslkit.Channel{}).Start("DIGEST-MD5")
			if err != nil {
				t.Fatal(err)
			}
			client := saslkit.SMTPAuth(cfg)
			_, response, err := client.Start(&smtp.ServerInfo{Name: "h", Auth: []string{"DIGEST-MD5"}})
			if want := i > 0 && name == "al"; err != nil || (response != nil) != want {
				t.Fatalf("login %d of %.9q: initial response %q, %v", i, name, response, err)
			}
			for done := false; !done; {
				var challenge []byte
				if challenge, done, err = server.Next(response); err != nil {
					t.Fatalf("login %d of %.9q: %v", i, name, err)
				}
				if response, err = client.Next(challenge, !done); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestDigestPage: code on the page is code of the example, which compiles and runs.
func TestDigestPage(t *testing.T) {
	page, err := os.ReadFile("docs/digest-md5.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("layer_example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	for _, block := range blocks {
		code, _, closed := strings.Cut(block, "```")
		if !closed || !strings.Contains(string(example), code) {
			t.Errorf("not in the example:\n%s", code)
		}
	}
	if len(blocks) == 0 {
		t.Error("the page has no code")
	}
}

// TestLayersAndNoncesAreValidated at start.
func TestLayersAndNoncesAreValidated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*saslkit.Authenticator)
		want   error
	}{
		{"good", func(a *saslkit.Authenticator) { a.Layers.Max, a.NonceLife, a.MaxNonces = 1, time.Hour, 5 }, nil},
		{"a minimum over the maximum", func(a *saslkit.Authenticator) { a.Layers.Min = 1 }, mech.ErrLayers},
		{"a cipher that does not exist", func(a *saslkit.Authenticator) { a.Layers.Ciphers = []string{"aes"} }, mech.ErrLayers},
		{"nonces for ever", func(a *saslkit.Authenticator) { a.NonceLife = 1000 * time.Hour }, mech.ErrNonces},
		{"too many nonces", func(a *saslkit.Authenticator) { a.NonceLife, a.MaxNonces = time.Hour, 1<<20 }, mech.ErrNonces},
	} {
		a := layeredAuth(mech.Layers{})
		c.change(a)
		if err := a.Validate(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestSubsequentLogin: a second login by one message, over peers of one Authenticator.
func TestSubsequentLogin(t *testing.T) {
	t.Parallel()
	a := layeredAuth(mech.Layers{})
	a.NonceLife = time.Hour
	cfg := layeredClient(mech.Layers{}, saslkit.Channel{})
	cfg.Previous = new(mech.Previous)
	for i, want := range []int{2, 1, 1} {
		x, err := layeredPeer(a, saslkit.Channel{}).Start("DIGEST-MD5")
		if err != nil {
			t.Fatal(err)
		}
		client, err := saslkit.NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, response, err := client.Start()
		messages := 0
		for state := saslkit.More; state != saslkit.Done && err == nil; messages++ {
			o := x.Step(response)
			if state = o.State; state == saslkit.Failed {
				t.Fatal(o.Err)
			}
			response, err = client.Next(o.Data)
		}
		if err != nil || client.Finish() != nil {
			t.Errorf("login %d: %v", i, err)
		}
		if messages != want {
			t.Errorf("login %d took %d messages, want %d", i, messages, want)
		}
	}
}
