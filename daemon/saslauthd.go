package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/saslauthdwire"
	"github.com/saslkit/saslkit/realm"
)

// Saslauthd speaks saslauthd's protocol, in which libsasl2 (and with it Postfix, Cyrus
// IMAP, OpenLDAP) and Exim ask whether a password is right. A connection is for one
// request and one reply. Who connects is trusted with what it says about its client.
// Who may connect is a matter of the socket's folder and mode.
//
// The reply is "OK", or "NO" with one text for all who may not log in: who is unknown,
// disabled or expired must not be told from who mistyped his password, and libsasl2
// throws the text away. The log has the reason. In temporary trouble the connection is
// closed without a reply, which libsasl2 reports as a failure of the server and not as
// a wrong password: Postfix then says 454.
//
// # The fifth field
//
// libsasl2 2.1.28 sends four fields and waits for the answer; the development tree after
// it sends the client's address as a fifth, in the same write. So the fifth is taken if
// the read that brings the end of the fourth brings the beginning of it, and it is not
// waited for otherwise: waiting would be paid for by every login of an older client,
// and all that is lost is an address.
//
// # Realms
//
// libsasl2 cuts a name at its last '@' and sends the halves as login and realm. Where the
// site serves realms they are joined again, and its policy cuts or refuses the name, as
// if it had been typed here. That is so for a login with an '@' of its own too: if the
// realm beside it were dropped, the owner of a@b could log in as a@b@1, a@b@2 and so on,
// names that the mail server counts and trusts as others. A site without realms is like
// saslauthd with shadow or PAM behind it: the realm is not looked at, unless
// RequestRealm is JoinRealm.
type Saslauthd struct {
	// Current holds what is served; it must be set.
	Current *Current
	// RequestRealm says what becomes of a request's realm where the site serves none.
	RequestRealm RequestRealm
	// MaxField is the longest field that is taken, in bytes: 0 means 256, as in
	// saslauthd, and 1,024 is the most. How long a name may be is a matter of the
	// site's Limits.
	MaxField int
	// Logger hears of clients that break the protocol; nil: nobody.
	Logger *slog.Logger

	times connTimes
}

// A RequestRealm says what becomes of a request's realm where the site serves none.
type RequestRealm uint8

const (
	// IgnoreRealm looks at the login alone.
	IgnoreRealm RequestRealm = iota
	// JoinRealm makes login and realm one name, login@realm, as saslauthd -r does: for
	// stores whose users are addresses.
	JoinRealm
)

// What is said beside OK. A refusal has the same text whatever the reason.
const (
	refusalText = "authentication failed"
	// saslauthd's words for what it does not look up. The last is a "NO" that a space
	// follows.
	noLogin, noPassword = "NULL login received", "NULL password received"
	tooLongReply        = "\x00\x03NO "
)

// ServeConn implements Handler.
func (s *Saslauthd) ServeConn(ctx context.Context, c *Conn) {
	ctx, stop := within(ctx, s.times.total())
	defer stop()
	request, err := s.read(newRequestReader(c, s.times))
	var reply []byte
	if err == nil {
		reply = s.answer(ctx, request)
	} else {
		complain(s.Logger, "saslauthd client", c, err)
		reply = refusal(err)
	}
	if reply != nil {
		c.Write(reply) // does not wait: there is room for it in any socket
	}
}

// read reads a request. What comes behind its fifth field belongs to no request that
// is answered: then the first four are it.
func (s *Saslauthd) read(from io.Reader) (saslauthdwire.Request, error) {
	most := min(s.MaxField, saslauthdwire.MaxField)
	if most <= 0 {
		most = saslauthdwire.DefaultMaxField
	}
	const fields = 5
	buf := make([]byte, fields*(2+most)+1) // one byte more than a request
	defer clear(buf)
	for n := 0; ; {
		got, err := from.Read(buf[n:])
		n += got
		if got > 0 {
			request, err := saslauthdwire.ParseRequest(buf[:n], most)
			if errors.Is(err, saslauthdwire.ErrTrailing) {
				request, err = saslauthdwire.ParseRequest(buf[:endOfFour(buf)], most)
			}
			if !errors.Is(err, saslauthdwire.ErrIncomplete) {
				return request, err
			}
		}
		if err != nil {
			return saslauthdwire.Request{}, unfinished(n, err)
		}
	}
}

// endOfFour is where the fourth field of a parsed request ends.
func endOfFour(request []byte) (end int) {
	for range 4 {
		end += 2 + int(binary.BigEndian.Uint16(request[end:]))
	}
	return end
}

// refusal is the reply to what is no request; nil for none.
func refusal(err error) []byte {
	var field *saslauthdwire.FieldError
	switch {
	case !errors.As(err, &field):
		return nil
	case field.Size > field.Max:
		return []byte(tooLongReply)
	case field.Size > 0: // it holds a NUL, where saslauthd would cut it
		return no(refusalText)
	case field.Field == saslauthdwire.Login:
		return no(noLogin)
	}
	return no(noPassword)
}

func no(text string) []byte {
	return saslauthdwire.AppendReply(nil, saslauthdwire.Reply{Verdict: saslauthdwire.No, Reason: text})
}

// answer asks the site. It is nil for no reply.
func (s *Saslauthd) answer(ctx context.Context, r saslauthdwire.Request) []byte {
	site := s.Current.Site()
	name := r.Login
	if s.RequestRealm == JoinRealm || site.Realm.Default != "" || len(site.Realm.Others) > 0 {
		name = realm.Join(r.Login, r.Realm)
	}
	switch site.login(ctx, saslauthdProtocol, serviceName(r.Service), name, r.Password, clientAddress(r.Client)) {
	case yes:
		return saslauthdwire.AppendReply(nil, saslauthdwire.Reply{Verdict: saslauthdwire.Yes})
	case refused:
		return no(refusalText)
	}
	return nil
}

// clientAddress reads "ip;port" as libsasl2 writes it. What is none is not known.
func clientAddress(text string) netip.AddrPort {
	host, port, _ := strings.Cut(text, ";")
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n))
}

// unfinished is the error for a request of which n bytes have come.
func unfinished(n int, err error) error {
	if n == 0 && err == io.EOF {
		return err
	}
	return fmt.Errorf("a request that ends after %d bytes: %w", n, err)
}
