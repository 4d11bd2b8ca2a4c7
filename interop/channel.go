package interop

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"

	"github.com/saslkit/saslkit"
)

// SocketChannel tells what the socket itself shows: whether it is under TLS, who
// is at its ends, and whose certificate was verified. A certificate proves the
// identity in its common name; a site with other certificates says otherwise
// here. It is asked at each login, since STARTTLS changes the answer.
func SocketChannel(conn net.Conn) saslkit.Channel { return socketChannel(conn, nil) }

// CertificateChannel is SocketChannel for a server with one certificate, which the
// socket does not show. Some clients of SCRAM can bind to nothing else: those that
// know tls-server-end-point alone.
func CertificateChannel(leaf *x509.Certificate) func(net.Conn) saslkit.Channel {
	return func(conn net.Conn) saslkit.Channel { return socketChannel(conn, leaf) }
}

func socketChannel(conn net.Conn, leaf *x509.Certificate) saslkit.Channel {
	var ch saslkit.Channel
	if t, ok := conn.(*tls.Conn); ok {
		state := t.ConnectionState()
		ch = saslkit.ServerTLS(state, leaf)
		if len(state.VerifiedChains) > 0 {
			ch.External = state.VerifiedChains[0][0].Subject.CommonName
		}
	}
	ch.Remote, ch.Local = addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr())
	return ch
}

// addrPort is invalid for what is not an address and a port, such as a Unix
// socket.
func addrPort(a net.Addr) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(a.String())
	return ap
}
