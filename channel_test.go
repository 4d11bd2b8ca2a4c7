package saslkit_test

import (
	cryptotls "crypto/tls"
	"net"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// tlsConn is what a wrapper of a *cryptotls.Conn looks like.
type tlsConn struct {
	net.Conn
	state cryptotls.ConnectionState
}

func (c tlsConn) ConnectionState() cryptotls.ConnectionState { return c.state }

func TestServerConn(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()

	for _, c := range []struct {
		name   string
		conn   net.Conn
		secure bool
		remote string
	}{
		{"TCP", server, false, client.LocalAddr().String()},
		{"no addresses", near, false, "invalid AddrPort"},
		{"TLS before its handshake", cryptotls.Server(server, &cryptotls.Config{}), false, client.LocalAddr().String()},
		{"what wraps TLS", tlsConn{server, cryptotls.ConnectionState{HandshakeComplete: true, Version: cryptotls.VersionTLS13}}, true, client.LocalAddr().String()},
	} {
		ch := saslkit.ServerConn(c.conn, nil)
		if ch.Secure != c.secure || ch.Remote.String() != c.remote || ch.External != "" {
			t.Errorf("%s: secure %t, remote %v, external %q", c.name, ch.Secure, ch.Remote, ch.External)
		}
		if c.remote != "invalid AddrPort" && ch.Local.String() != listener.Addr().String() {
			t.Errorf("%s: local %v", c.name, ch.Local)
		}
		if !c.secure && mech.CanBind(ch.Binding, nil) {
			t.Errorf("%s: it binds", c.name)
		}
	}
}
