package mech

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"testing"
)

// A vectorPacket is a message and its packets, each with its length, at one place of
// both directions.
type vectorPacket struct {
	Plain          []byte `json:"plain_b64"`
	ClientToServer []byte `json:"client_to_server_b64"`
	ServerToClient []byte `json:"server_to_client_b64"`
}

func (p vectorPacket) in(direction string) []byte {
	if direction == "client_to_server" {
		return p.ClientToServer
	}
	return p.ServerToClient
}

// serverLayersOf is layersOf for a server.
func serverLayersOf(qops, ciphers []string) *Layers {
	l := layersOf(qops, ciphers)
	return &l
}

// layersOf permits these values of qop and these ciphers.
func layersOf(qops, ciphers []string) Layers {
	l := Layers{Min: 2, Ciphers: ciphers}
	for _, q := range []struct {
		name     string
		min, max int
	}{{qopAuth, 0, 0}, {qopInt, 1, 1}, {qopConf, 2, 128}} {
		if slices.Contains(qops, q.name) {
			l.Min, l.Max = min(l.Min, q.min), max(l.Max, q.max)
		}
	}
	if len(qops) == 0 {
		l.Min = 0
	}
	return l
}

// ciphers are the client's choice.
func (c *vectorClient) ciphers() []string {
	if c.Cipher == nil {
		return nil
	}
	return []string{*c.Cipher}
}

// checkLayer sends and receives what a vector says.
func checkLayer(t *testing.T, v vector, l *Layer, sends, receives string) {
	t.Helper()
	if v.Layer == nil {
		return
	}
	if l == nil {
		t.Fatal("no layer was negotiated")
	}
	wire := new(fakeConn)
	conn := l.Conn(wire)
	for _, p := range v.Layer {
		wire.in.Write(p.in(receives))
	}
	for i, p := range v.Layer {
		wire.out.Reset()
		if n, err := conn.Write(p.Plain); n != len(p.Plain) || err != nil || !bytes.Equal(wire.out.Bytes(), p.in(sends)) {
			t.Fatalf("packet %d, %s: %x, %v; want %x", i, sends, wire.out.Bytes(), err, p.in(sends))
		}
		got := make([]byte, len(p.Plain)+1)
		if n, err := conn.Read(got); err != nil || !bytes.Equal(got[:n], p.Plain) {
			t.Fatalf("packet %d, %s: %q, %v; want %q", i, receives, got[:n], err, p.Plain)
		}
	}
}

// runNegativeLayer opens packets of which the last is not right.
func runNegativeLayer(t *testing.T, v, base vector) {
	if v.Direction != "client_to_server" {
		t.Fatalf("direction %q is not known", v.Direction)
	}
	packets, err := base64.StdEncoding.DecodeString(v.B64)
	if err != nil {
		t.Fatal(err)
	}
	for _, newServer := range serverVariants(t, ByName(base.Mechanism), base) {
		s, _ := newServer()
		var o Outcome
		for _, step := range base.Steps {
			if step.From == "C" && o.State == More {
				o = s.Step(t.Context(), step.message())
			}
		}
		l := LayerOf(s)
		if o.State != Done || l == nil {
			t.Fatalf("leading up: state %d, %v", o.State, o.Err)
		}
		wire := new(fakeConn)
		wire.in.Write(packets)
		conn := l.Conn(wire)
		room := make([]byte, 1<<16)
		n, err := conn.Read(room)
		for ; err == nil; n, err = conn.Read(room) {
			if first := base.Layer[0].Plain; !bytes.Equal(room[:n], first) {
				t.Fatalf("%q came out", room[:n])
			}
		}
		if !errors.Is(err, ErrLayer) {
			t.Errorf("error %v, want %v", err, ErrLayer)
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, ErrLayer) || wire.out.Len() > 0 {
			t.Errorf("a write after it: %v, and %d bytes were sent", err, wire.out.Len())
		}
	}
}
