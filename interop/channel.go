package interop

import (
	"crypto/tls"
	"crypto/x509"
	"net"

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
	ch := saslkit.ServerConn(conn, leaf)
	if t, ok := conn.(*tls.Conn); ok {
		if chains := t.ConnectionState().VerifiedChains; len(chains) > 0 {
			ch.External = chains[0][0].Subject.CommonName
		}
	}
	return ch
}
