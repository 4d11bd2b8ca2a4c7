package interop

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
)

// layerSasldb is a sasldb2 with labUser's password.
func layerSasldb(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sasldb2")
	if err := sasldb.Create(file, []sasldb.Record{
		{Authid: labUser, Realm: labRealm, Property: sasldb.PropertyPassword, Value: []byte(labPassword)},
	}); err != nil {
		t.Fatal(err)
	}
	return file
}

// newCyrusLayer runs libsasl2, whose server remembers nonces for so many minutes.
func newCyrusLayer(t testing.TB, reauthMinutes string) *layerPeer {
	t.Helper()
	needCyrusModules(t)
	program := peers.Compile(t, "testdata/libsasl2_layer.c", libsasl2)
	in, out := peers.Start(t, program, labUser, labPassword, labRealm, layerSasldb(t), reauthMinutes)
	return &layerPeer{in, out}
}

// newJavaLayer runs the JDK.
func newJavaLayer(t testing.TB) *layerPeer {
	t.Helper()
	need(t, "javac") // without it java compiles no source
	in, out := peers.Start(t, need(t, "java"), "-Xshare:auto", "-XX:TieredStopAtLevel=1", "testdata/DigestLayer.java", labUser, labPassword, labRealm)
	return &layerPeer{in, out}
}

// Both halves of libsasl2, with the layers that it can have: it offers DES, and with
// OpenSSL 3 fails when that is chosen.
func TestCyrusLayers(t *testing.T) {
	t.Parallel()
	p := newCyrusLayer(t, "0")
	testNoLayer(t, p)
	for _, what := range rc4Layers {
		testLayers(t, p, what)
	}
	t.Run("DES", func(t *testing.T) {
		client, err := layerClient(desLayers[0].layers(0), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.logInTo(desLayers[0], 65536, client); err == nil {
			t.Log("this libsasl2 has 3DES")
			testLayers(t, p, desLayers[0])
		} else if !errors.Is(err, errLayerPeer) && !isTooWeak(err) {
			t.Errorf("%v: want libsasl2 to fail, or not to offer it", err)
		}
	})
}

func isTooWeak(err error) bool {
	var e *saslkit.Error
	return errors.As(err, &e) && e.Class == mech.TooWeak
}

// Both halves of the JDK, which has all ciphers.
func TestJavaLayers(t *testing.T) {
	t.Parallel()
	p := newJavaLayer(t)
	testNoLayer(t, p)
	for _, what := range append(desLayers, rc4Layers...) {
		testLayers(t, p, what)
	}
}

// testLayers logs in in both directions, with usual and with small buffers on either
// side, and sends something.
func testLayers(t *testing.T, p *layerPeer, what protection) {
	for _, buffers := range []struct {
		name         string
		ours, theirs int
	}{{"usual buffers", 0, 65536}, {"our small buffer", 300, 65536}, {"their small buffer", 0, 300}} {
		t.Run(what.String()+"/our client/"+buffers.name, func(t *testing.T) {
			client, err := layerClient(what.layers(buffers.ours), nil)
			if err != nil {
				t.Fatal(err)
			}
			end, _, err := p.logInTo(what, buffers.theirs, client)
			if err != nil {
				t.Fatal(err)
			}
			if l := client.Assurance().Layer; l == nil || l.Name != what.name() || l.Strength != what.strength {
				t.Errorf("negotiated %+v", l)
			}
			end.exchange(t)
			end.tamper(t)
		})
		t.Run(what.String()+"/our server/"+buffers.name, func(t *testing.T) {
			peer, server, err := layerServer(layerAuth(what.layers(buffers.ours)))
			if err != nil {
				t.Fatal(err)
			}
			end, _, err := p.logInFrom(what, buffers.theirs, server)
			if err != nil {
				t.Fatal(err)
			}
			if r, ok := peer.Result(); !ok || r.User != labUser || r.Layer != what.name() || r.Strength != what.strength {
				t.Errorf("result %+v", r)
			}
			end.exchange(t)
			end.tamper(t)
		})
	}
	t.Run(what.String()+"/they notice", func(t *testing.T) {
		client, err := layerClient(what.layers(0), nil)
		if err != nil {
			t.Fatal(err)
		}
		end, _, err := p.logInTo(what, 65536, client)
		if err != nil {
			t.Fatal(err)
		}
		end.spoils = true
		if _, err := end.protected.Write([]byte(strings.Repeat("x", 100))); err == nil || end.heard.Len() > 0 {
			t.Errorf("%q arrived of a changed packet, %v", end.heard.String(), err)
		}
	})
}

// testNoLayer is with a peer that has none to offer.
func testNoLayer(t *testing.T, p *layerPeer) {
	none := protection{"auth", "-", 0}
	client, err := layerClient(mech.Layers{Max: 256}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.logInTo(none, 65536, client); err != nil || client.Assurance().Layer != nil {
		t.Errorf("no layer: %v, %v", err, client.Assurance().Layer)
	}
	client, err = layerClient(mech.Layers{Min: 1, Max: 256}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.logInTo(none, 65536, client); !isTooWeak(err) {
		t.Errorf("no layer where there must be one: %v", err)
	}
	_, server, err := layerServer(layerAuth(mech.Layers{Min: 1, Max: 256}))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.logInFrom(none, 65536, server); err == nil {
		t.Error("the peer is let in without a layer")
	}
}

// libsasl2's client tries subsequent authentication at its second login in a process,
// whatever the server said: with a memory of nonces it is one message, without it is
// answered with a challenge.
func TestCyrusClientAgain(t *testing.T) {
	t.Parallel()
	none := protection{"auth", "-", 0}
	for name, c := range map[string]struct {
		life     time.Duration
		messages []int
	}{
		"remembered":     {time.Hour, []int{2, 1, 1, 1}},
		"not remembered": {0, []int{2, 2, 2, 2}},
		"soon too old":   {1, []int{2, 2, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, auth := newCyrusLayer(t, "0"), layerAuth(mech.Layers{})
			auth.NonceLife = c.life
			for i, want := range c.messages {
				peer, server, err := layerServer(auth)
				if err != nil {
					t.Fatal(err)
				}
				_, messages, err := p.logInFrom(none, 0, server)
				if err != nil || messages != want {
					t.Fatalf("login %d: %d messages, %v; want %d", i, messages, err, want)
				}
				if r, ok := peer.Result(); !ok || r.User != labUser {
					t.Errorf("result %+v", r)
				}
			}
		})
	}
}

// Our client at libsasl2's server, which remembers nonces if reauth_timeout says so.
func TestCyrusServerAgain(t *testing.T) {
	t.Parallel()
	none := protection{"auth", "-", 0}
	for name, c := range map[string]struct {
		minutes  string
		messages []int
	}{
		"remembered":     {"10", []int{2, 1, 1, 1}},
		"not remembered": {"0", []int{2, 2, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, previous := newCyrusLayer(t, c.minutes), new(mech.Previous)
			for i, want := range c.messages {
				client, err := layerClient(mech.Layers{}, previous)
				if err != nil {
					t.Fatal(err)
				}
				if _, messages, err := p.logInTo(none, 0, client); err != nil || messages != want {
					t.Fatalf("login %d: %d messages, %v; want %d", i, messages, err, want)
				}
			}
		})
	}
}

// Both halves of GNU SASL.
func TestGsaslLayers(t *testing.T) {
	t.Parallel()
	libgsasl := peers.Library{Header: "gsasl.h", Link: "gsasl", DebianPackage: "libgsasl-dev"}
	in, out := peers.Start(t, peers.Compile(t, "testdata/libgsasl_layer.c", libgsasl), labUser, labPassword, labRealm)
	p := &layerPeer{in, out}
	testNoLayer(t, p)
	testLayers(t, p, integrity)
}
