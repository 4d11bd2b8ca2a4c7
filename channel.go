package saslkit

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"

	"github.com/saslkit/saslkit/mech"
)

// A Channel is what is known about the connection that carries an exchange. It
// is asked for at every start, since STARTTLS changes it.
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
	// and stores that look at them; the zero value if unknown.
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

// ServerTLS describes a server's channel under TLS. The leaf is the certificate
// that the server presented, needed for tls-server-end-point; nil if unknown.
// Before the handshake is complete the channel counts as clear: with TLS from the
// first byte go-imap greets before it, so complete it when the session is made.
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
