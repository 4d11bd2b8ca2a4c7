package interop

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// A layerPeer is a foreign program that speaks DIGEST-MD5 with security layers, either
// half of it, over lines: see testdata/libsasl2_layer.c. It has one login at a time.
type layerPeer struct {
	in  io.Writer
	out *bufio.Reader
}

var errLayerPeer = errors.New("the peer failed")

// ask says a line and returns the word of the answer and its message.
func (p *layerPeer) ask(command string, message []byte) (word string, answer []byte, err error) {
	if _, err := fmt.Fprintln(p.in, command, message64(message)); err != nil {
		return "", nil, err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", nil, err
	}
	word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	switch {
	case word == "failed":
		return word, nil, fmt.Errorf("%w: %s", errLayerPeer, rest)
	case rest == "-":
		return word, nil, nil
	}
	answer, err = base64.StdEncoding.DecodeString(rest)
	return word, answer, err
}

// A protection is what two sides are to agree on.
type protection struct {
	qop, cipher string
	strength    int
}

func (p protection) String() string { return strings.TrimSuffix(p.qop+" "+p.cipher, " -") }

// layers permits this protection and no other.
func (p protection) layers(buffer int) mech.Layers {
	l := mech.Layers{Min: p.strength, Max: p.strength, MaxBuffer: buffer}
	if p.cipher != "-" {
		l.Ciphers = []string{p.cipher}
	}
	return l
}

func (p protection) name() string {
	if p.cipher != "-" {
		return p.qop + " with " + p.cipher
	}
	return p.qop
}

func (p protection) begin(role string, buffer int) string {
	return fmt.Sprintf("begin %s %s %s %d", role, p.qop, p.cipher, buffer)
}

var (
	integrity  = protection{"auth-int", "-", 1}
	rc4Layers  = []protection{integrity, {"auth-conf", "rc4", 128}, {"auth-conf", "rc4-56", 56}, {"auth-conf", "rc4-40", 40}}
	desLayers  = []protection{{"auth-conf", "3des", 112}, {"auth-conf", "des", 55}}
	layerSizes = []int{1, 7, 8, 9, 100, 4096, 70_000}
)

// layerClient is ours.
func layerClient(l mech.Layers, previous *mech.Previous) (*saslkit.ClientExchange, error) {
	return saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: labPassword},
		Mechanisms:  []string{"DIGEST-MD5"}, Service: "smtp", Host: "localhost",
		Layers: l, Previous: previous,
	})
}

// layerAuth is that of our servers.
func layerAuth(l mech.Layers) *saslkit.Authenticator {
	return &saslkit.Authenticator{
		Verifier: verifier.Static{labUser: labPassword}, Mechanisms: []string{"DIGEST-MD5"}, Layers: l,
	}
}

func layerServer(a *saslkit.Authenticator) (*saslkit.Peer, *saslkit.Exchange, error) {
	peer := a.NewPeer(saslkit.PeerConfig{Service: "smtp", HostNames: []string{"localhost"}, Realm: realm.Policy{Default: labRealm}})
	x, err := peer.Start("DIGEST-MD5")
	return peer, x, err
}

// logInTo logs our client in at the peer and returns our end of the connection, and
// how many messages the client sent.
func (p *layerPeer) logInTo(what protection, buffer int, client *saslkit.ClientExchange) (end *layerEnd, messages int, err error) {
	_, message, err := client.Start()
	command := what.begin("server", buffer)
	for err == nil {
		var word string
		if word, message, err = p.ask(command, message); err != nil {
			return nil, messages, err
		}
		messages++
		command = "step"
		if message != nil {
			if message, err = client.Next(message); err != nil {
				return nil, messages, err
			}
		}
		if word == "done" {
			break
		}
	}
	if err == nil {
		err = client.Finish()
	}
	if err != nil {
		return nil, messages, err
	}
	end = &layerEnd{peer: p}
	end.protected, err = client.Layer(end)
	return end, messages, err
}

// logInFrom logs the peer in at our server.
func (p *layerPeer) logInFrom(what protection, buffer int, server *saslkit.Exchange) (end *layerEnd, messages int, err error) {
	_, message, err := p.ask(what.begin("client", buffer), nil)
	for err == nil {
		o := server.Step(message)
		messages++
		if o.State == saslkit.Failed {
			return nil, messages, o.Err
		}
		if o.Data != nil {
			_, message, err = p.ask("step", o.Data)
		}
		if o.State == saslkit.Done {
			break
		}
	}
	if err != nil {
		return nil, messages, err
	}
	end = &layerEnd{peer: p}
	end.protected, err = server.Layer(end)
	return end, messages, err
}

// A layerEnd is our end of a connection to a layerPeer.
type layerEnd struct {
	net.Conn  // nil: deadlines are not used
	peer      *layerPeer
	protected net.Conn     // with the layer
	incoming  bytes.Buffer // packets of the peer
	heard     bytes.Buffer // what the peer understood
	spoils    bool         // a bit of what we send
}

func (e *layerEnd) Read(b []byte) (int, error) { return e.incoming.Read(b) }

func (e *layerEnd) Write(b []byte) (int, error) {
	if e.spoils {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
	}
	_, message, err := e.peer.ask("decode", b)
	e.heard.Write(message)
	return len(b), err
}

// exchange sends messages of all sizes in both directions.
func (e *layerEnd) exchange(t *testing.T) {
	t.Helper()
	for _, size := range layerSizes {
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		e.heard.Reset()
		if _, err := e.protected.Write(want); err != nil || !bytes.Equal(e.heard.Bytes(), want) {
			t.Fatalf("%d bytes to the peer: %d arrive, %v", size, e.heard.Len(), err)
		}
		_, packets, err := e.peer.ask("encode", want)
		if err != nil {
			t.Fatalf("%d bytes from the peer: %v", size, err)
		}
		e.incoming.Write(packets)
		got := make([]byte, size)
		if _, err := io.ReadFull(e.protected, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes from the peer: %v", size, err)
		}
	}
}

// tamper changes one bit of what the peer sends.
func (e *layerEnd) tamper(t *testing.T) {
	t.Helper()
	_, packets, err := e.peer.ask("encode", []byte("a message of the peer"))
	if err != nil {
		t.Fatal(err)
	}
	packets[10] ^= 1
	e.incoming.Write(packets)
	if n, err := e.protected.Read(make([]byte, 100)); n != 0 || !errors.Is(err, mech.ErrLayer) {
		t.Errorf("a changed packet of the peer: %d bytes, %v", n, err)
	}
}
