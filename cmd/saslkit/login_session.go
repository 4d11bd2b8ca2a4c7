package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// A login is one login to a live mail server, with everything said.
type login struct {
	server      serverAddress
	security    security
	tls         *tls.Config
	mechanisms  []string // that may be used, in order of preference
	policy      mech.Policy
	credentials saslkit.Credentials
	external    string // the identity that the TLS certificate proves; "" for none
	trace       *tracer
	patience    time.Duration // 0: patience; tests have less
}

// A security says when TLS begins.
type security uint8

const (
	inTheClear security = iota
	startTLS
	implicitTLS
)

// dial connects, begins TLS as asked and reads what the server can do.
func (l *login) dial(ctx context.Context) (mailProtocol, *wire, error) {
	w := &wire{trace: l.trace, patience: cmp.Or(l.patience, patience)}
	conn, err := l.server.dial(ctx, w.patience)
	if err != nil {
		return nil, nil, noConnection(err)
	}
	w.carry(conn)
	p, err := l.open(ctx, w)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return p, w, nil
}

func (l *login) open(ctx context.Context, w *wire) (mailProtocol, error) {
	if l.security == implicitTLS {
		if err := w.secure(ctx, l.tls); err != nil {
			return nil, err
		}
	}
	if err := w.expect(); err != nil {
		return nil, err
	}
	p := protocols[l.server.protocol](l, w)
	if err := p.greet(); err != nil {
		return nil, err
	}
	if err := p.ask(); err != nil || l.security != startTLS {
		return p, err
	}
	if err := p.startTLS(); err != nil {
		return nil, err
	}
	if err := w.secure(ctx, l.tls); err != nil {
		return nil, err
	}
	return p, p.ask()
}

var protocols = map[string]func(*login, *wire) mailProtocol{
	"smtp":  func(_ *login, w *wire) mailProtocol { return &smtpClient{wire: w} },
	"imap":  func(_ *login, w *wire) mailProtocol { return &imapClient{wire: w} },
	"pop3":  func(_ *login, w *wire) mailProtocol { return &pop3Client{wire: w} },
	"sieve": func(_ *login, w *wire) mailProtocol { return &sieveClient{wire: w} },
	"dovecot": func(l *login, w *wire) mailProtocol {
		return &dovecotClient{wire: w, service: l.server.service, secured: l.secured()}
	},
}

// secured reports whether an auth server is told that the client is under TLS.
func (l *login) secured() bool { return l.policy.Clear != mech.AnyMechanism }

// run logs in. It returns the mechanism, if one was chosen, also with an error.
func (l *login) run(ctx context.Context) (mechanism, text string, err error) {
	p, w, err := l.dial(ctx)
	if err != nil {
		return "", "", err
	}
	defer w.conn.Close()
	defer context.AfterFunc(ctx, func() { w.conn.Close() })()
	client, err := l.choose(ctx, p, w)
	if err != nil {
		p.quit()
		return "", "", err
	}
	text, err = l.exchange(p, w, client)
	if err == nil {
		p.quit()
	}
	return client.Mechanism(), text, err
}

// choose picks the mechanism among those offered. Under TLS it is one that binds
// to the channel, if the server has one.
func (l *login) choose(ctx context.Context, p mailProtocol, w *wire) (*saslkit.ClientExchange, error) {
	ch := saslkit.Channel{Secure: l.server.path != ""} // nobody listens on the way to a unix socket
	if conn, ok := w.conn.(*tls.Conn); ok {
		ch = saslkit.ClientTLS(conn.ConnectionState())
		ch.External = l.external
	}
	client, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: l.credentials,
		Offered:     p.offered(),
		Mechanisms:  l.mechanisms,
		Policy:      l.policy,
		Channel:     ch,
		Service:     l.server.service,
		Host:        l.server.host,
		Port:        portNumber(l.server.port),
		Context:     ctx,
	})
	if err == nil {
		return client, nil
	}
	failure := mech.AsError(err)
	why := failure.Err
	if failure.Class == mech.EncryptionRequired {
		why = fmt.Errorf("%w: use --starttls or --tls, or --insecure to send the password in the clear", why)
	}
	offered := "nothing"
	if names := p.offered(); len(names) > 0 {
		offered = strings.Join(names, " ")
	}
	return nil, &loginError{"no-mechanism", exitUntried, fmt.Errorf("%w; the server offers: %s%s", why, l.trace.clean(offered), p.hint())}
}

// portNumber is 0 for the name of a service.
func portNumber(port string) int {
	n, _ := strconv.ParseUint(port, 10, 16)
	return int(n)
}

// A loginError says in one word why there was no login, and the exit code.
type loginError struct {
	reason string
	code   int
	err    error
}

func (e *loginError) Error() string { return e.err.Error() }

func (e *loginError) Unwrap() error { return e.err }

func noConnection(err error) error { return &loginError{"no-connection", exitUntried, err} }

// badServer is a server that must not be believed: it breaks the protocol or
// does not prove itself.
func badServer(format string, args ...any) error {
	return &loginError{"bad-server", exitNo, fmt.Errorf(format, args...)}
}
