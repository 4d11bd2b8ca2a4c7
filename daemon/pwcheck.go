package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
)

// Pwcheck speaks the protocol of pwcheck, which libsasl2 asked before there was
// saslauthd, and some still do (pwcheck_method: pwcheck). A connection is for one
// request, login NUL password NUL, of less than 1,023 bytes in all; the reply is a text
// until the connection ends. There is neither service nor realm; a login is cut as the
// site's policy says.
//
// The reply is "OK", or one text for all who may not log in. In temporary trouble the
// connection is closed without one. libsasl2 takes that for a wrong password too: the
// protocol has no word for trouble. saslauthd's is the better one.
//
// pwcheck takes a request that comes in parts for whole when the first ends with a NUL,
// and one behind whose password there is more for whole without that. Here two NULs
// are what a request has.
type Pwcheck struct {
	// Current holds what is served; it must be set.
	Current *Current
	// Service is under what logins are asked for and logged.
	Service string
	// Logger hears of clients that break the protocol; nil: nobody.
	Logger *slog.Logger

	times connTimes
}

// The replies of pwcheck.
const (
	pwcheckYes    = "OK"
	pwcheckTooBig = "Request too big"
	pwcheckBroken = "Error reading request"
)

// tooBig bytes are too many: pwcheck reads into 1,024.
const tooBig = 1023

// ServeConn implements Handler.
func (p *Pwcheck) ServeConn(ctx context.Context, c *Conn) {
	ctx, stop := within(ctx, p.times.total())
	defer stop()
	q, err := readPwcheck(newRequestReader(c, p.times))
	reply := ""
	switch {
	case err == nil:
		reply = p.answer(ctx, q)
	case errors.Is(err, errTooBig):
		reply = pwcheckTooBig
	case errors.Is(err, errMoreBehind):
		reply = refusalText
	case errors.Is(err, io.EOF):
		reply = pwcheckBroken
	}
	if err != nil {
		complain(p.Logger, "pwcheck client", c, err)
	}
	if reply != "" {
		io.WriteString(c, reply) // does not wait: there is room for it in any socket
	}
}

// answer asks the site; "" for no answer.
func (p *Pwcheck) answer(ctx context.Context, q pwcheckQuestion) string {
	switch p.Current.Site().login(ctx, pwcheckProtocol, p.Service, q.login, q.password, netip.AddrPort{}) {
	case yes:
		return pwcheckYes
	case refused:
		return refusalText
	}
	return ""
}

func readPwcheck(from io.Reader) (pwcheckQuestion, error) {
	var buf [tooBig]byte
	defer clear(buf[:])
	for n := 0; ; {
		got, err := from.Read(buf[n:])
		n += got
		if got > 0 {
			q, err := parsePwcheck(buf[:n])
			if err != errIncomplete {
				return q, err
			}
		}
		if err != nil {
			return pwcheckQuestion{}, unfinished(n, err)
		}
	}
}

type pwcheckQuestion struct{ login, password string }

var (
	errTooBig     = errors.New("a request of 1,023 bytes or more")
	errMoreBehind = errors.New("something behind the password")
	errIncomplete = errors.New("more is needed")
)

// parsePwcheck reads a request. It returns errIncomplete when b is the beginning of one.
func parsePwcheck(b []byte) (pwcheckQuestion, error) {
	if len(b) >= tooBig {
		return pwcheckQuestion{}, errTooBig
	}
	login, rest, _ := bytes.Cut(b, []byte{0})
	password, behind, whole := bytes.Cut(rest, []byte{0})
	switch {
	case !whole:
		return pwcheckQuestion{}, errIncomplete
	case len(behind) > 0:
		return pwcheckQuestion{}, errMoreBehind
	}
	return pwcheckQuestion{string(login), string(password)}, nil
}
