package saslkit

import (
	"errors"
	"net"

	"github.com/saslkit/saslkit/mech"
)

var (
	errNoSuccess = errors.New("saslkit: security layer: the login has not succeeded")
	errTwice     = errors.New("saslkit: security layer: it was put on a connection before (its keys are for one alone)")
)

// Layer puts the security layer that was negotiated on the connection; without one it
// returns the connection itself. It is called once, after success and when the reply
// that says so has been written: the client's next byte is protected, and so is ours.
// What the host has read and not consumed by then did not come from the client: the
// host closes the connection. See [mech.Layer.Conn] for errors, concurrency and memory.
//
// There are layers only with Start and if [Authenticator.Layers] permits them: hosts
// that begin with Auth or Authenticate cannot put one on.
func (x *Exchange) Layer(conn net.Conn) (net.Conn, error) {
	p := x.peer
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.loggedIn != x:
		return nil, errNoSuccess
	case x.layered:
		return nil, errTwice
	}
	x.layered = true
	return layered(conn, mech.LayerOf(x.server)), nil
}

// Layer puts the security layer that was negotiated on the connection; without one it
// returns the connection itself. It is called once, after Finish returned nil and
// before anything else is sent or read. See [mech.Layer.Conn] for errors, concurrency
// and memory.
func (x *ClientExchange) Layer(conn net.Conn) (net.Conn, error) {
	switch {
	case !x.finished:
		return nil, errNoSuccess
	case x.layered:
		return nil, errTwice
	}
	x.layered = true
	return layered(conn, x.assurance.Layer), nil
}

func layered(conn net.Conn, l *mech.Layer) net.Conn {
	if l == nil {
		return conn
	}
	return l.Conn(conn)
}

// layers are the limits on a channel. Under TLS there is nothing left to do.
func (a *Authenticator) layers(ch *Channel) mech.Layers {
	switch {
	case ch.Secure:
		return mech.Layers{}
	case ch.unlayered:
		return mech.Layers{Min: a.Layers.Min}
	}
	return a.Layers
}

// layer describes what was negotiated.
func (x *Exchange) layer() (name string, strength int) {
	if l := mech.LayerOf(x.server); l != nil {
		return l.Name, l.Strength
	}
	return "", 0
}
