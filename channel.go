package saslkit

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"

	"github.com/saslkit/saslkit/mech"
)

// A Channel is what is known about the connection that carries an exchange. It
// is asked for at every start, since STARTTLS changes it. [ServerConn] makes one of a
// server's connection.
type Channel struct {
	// Secure says that the client's wire is encrypted: by our TLS, or because
	// a trusted proxy says so.
	Secure   bool
	bindable bindable // what was found out about Binding; here it takes no room
	// unlayered says that the host cannot put a security layer on it.
	unlayered bool

	// Binding returns the channel-binding data of a type of RFC 5929 or RFC
	// 9266, such as "tls-exporter". Nil: no mechanism that binds.
	Binding func(typ string) ([]byte, bool)
	// External is the identity that the channel has proven (a verified client
	// certificate, SO_PEERCRED); "" for none.
	External string

	// Remote and Local are the addresses of client and server, for the guard, the log
	// and stores that look at them; the zero value if unknown. Without Remote a Guard
	// cannot tell who guesses.
	Remote, Local netip.AddrPort
}

type bindable uint8

const (
	unknownBinding bindable = iota
	noBinding
	someBinding
)

// canBind asks the channel once whether it has binding data of any type: to export
// keying material costs as much as all the rest of a decision.
func (c *Channel) canBind() bool {
	if c.bindable == unknownBinding {
		c.bindable = noBinding
		if mech.CanBind(c.Binding, nil) {
			c.bindable = someBinding
		}
	}
	return c.bindable == someBinding
}

// ServerConn describes a server's connection as it is now: whether it is under TLS, which
// it is if it has the method ConnectionState of a *[tls.Conn], what there is to bind to,
// and who is at its ends. The leaf is as for [ServerTLS].
//
// What a client's certificate proves is the site's to say: it sets External. Behind a
// proxy the addresses, and Secure, are what the proxy tells.
func ServerConn(conn net.Conn, leaf *x509.Certificate) Channel {
	var ch Channel
	if t, ok := conn.(interface{ ConnectionState() tls.ConnectionState }); ok {
		ch = ServerTLS(t.ConnectionState(), leaf)
	}
	ch.Remote, ch.Local = addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr())
	return ch
}

// addrPort is the zero value for what is not an address and a port, such as a unix
// socket.
func addrPort(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return ap
}

// ServerTLS describes a server's channel under TLS. The leaf is the certificate
// that the server presented, needed for tls-server-end-point; nil if unknown.
// Before the handshake is complete the channel counts as clear: with TLS from the
// first byte go-imap greets before it, so complete it when the session is made.
//
// A test without a connection takes Channel{Secure: true}: a state that is made up panics
// when it is bound to.
func ServerTLS(state tls.ConnectionState, leaf *x509.Certificate) Channel {
	return Channel{Secure: state.HandshakeComplete, Binding: mech.TLSBinding(state, leaf)}
}

// ClientTLS describes a client's channel under TLS, for [ClientConfig]. Before the handshake
// is complete the channel counts as clear.
func ClientTLS(state tls.ConnectionState) Channel {
	var leaf *x509.Certificate
	if len(state.PeerCertificates) > 0 {
		leaf = state.PeerCertificates[0]
	}
	return ServerTLS(state, leaf)
}
