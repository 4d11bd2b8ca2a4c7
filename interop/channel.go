package interop

import (
	"crypto/tls"
	"net"
	"net/netip"

	"github.com/saslkit/saslkit"
)

// SocketChannel tells what the socket itself shows: whether it is under TLS, who
// is at its ends, and whose certificate was verified. A certificate proves the
// identity in its common name; a site with other certificates says otherwise
// here. It is asked at each login, since STARTTLS changes the answer.
func SocketChannel(conn net.Conn) saslkit.Channel {
	var ch saslkit.Channel
	if t, ok := conn.(*tls.Conn); ok {
		state := t.ConnectionState()
		ch = saslkit.ServerTLS(state, nil)
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
