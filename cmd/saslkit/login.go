package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

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
}

// A serverAddress is a URL of the command line.
type serverAddress struct {
	protocol string // "smtp" or "imap": the service of SASL, too
	host     string
	port     string
	implicit bool // TLS from the first byte
}

// A security says when TLS begins.
type security uint8

const (
	inTheClear security = iota
	startTLS
	implicitTLS
)

// A mailProtocol frames the messages of SASL as SMTP or IMAP do. Its errors are
// loginErrors.
type mailProtocol interface {
	// greet reads the greeting.
	greet() error
	// ask asks what the server can do. What was known before is forgotten.
	ask() error
	// startTLS asks for TLS; then wire.secure begins it.
	startTLS() error
	// offered lists the mechanisms, never nil.
	offered() []string
	// hint adds to the news that no mechanism can be used; "" for nothing.
	hint() string
	// begin sends the command. The initial response, in base64, is sent with it
	// if there is one and the server takes it; sent says so.
	begin(mechanism, initial, shown string) (sent bool, err error)
	// await reads the server's answer to the command or to a response.
	await() (reply, error)
	// quit says goodbye, without caring for the answer.
	quit()
}

// A reply is a server's answer within an exchange.
type reply struct {
	kind replyKind
	word string // what stands before a challenge: "334", "+"
	text string // of a challenge: its base64; else what the server says
}

type replyKind uint8

const (
	challenged replyKind = iota
	accepted
	refused
	unavailable // a refusal for now
)

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

// dial connects, begins TLS as asked and reads what the server can do.
func (l *login) dial(ctx context.Context) (mailProtocol, *wire, error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(l.server.host, l.server.port))
	if err != nil {
		return nil, nil, noConnection(err)
	}
	w := newWire(conn, l.trace)
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
		return nil, noConnection(err)
	}
	p := protocols[l.server.protocol](w)
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

var protocols = map[string]func(*wire) mailProtocol{
	"smtp": func(w *wire) mailProtocol { return &smtpClient{wire: w} },
	"imap": func(w *wire) mailProtocol { return &imapClient{wire: w} },
}

// run logs in. It returns the mechanism, if one was chosen, also with an error.
func (l *login) run(ctx context.Context) (mechanism, text string, err error) {
	p, w, err := l.dial(ctx)
	if err != nil {
		return "", "", err
	}
	defer func() { w.conn.Close() }()
	defer context.AfterFunc(ctx, func() { w.conn.Close() })()
	client, err := l.choose(p, w)
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

// choose picks the mechanism among those offered.
func (l *login) choose(p mailProtocol, w *wire) (*saslkit.ClientExchange, error) {
	ch := saslkit.Channel{}
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
		Service:     l.server.protocol,
		Host:        l.server.host,
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

// maxRounds bounds the challenges of one exchange, as the server side does.
const maxRounds = 12

// exchange carries the messages until the server says yes or no, and returns
// what it said.
func (l *login) exchange(p mailProtocol, w *wire, client *saslkit.ClientExchange) (string, error) {
	x := &clientExchange{protocol: p, wire: w, client: client, mechanism: client.Mechanism()}
	if err := x.begin(); err != nil {
		return "", err
	}
	for range maxRounds {
		answer, err := p.await()
		if err != nil {
			return "", err
		}
		text := l.trace.clean(answer.text)
		switch answer.kind {
		case accepted:
			return text, x.finish()
		case refused:
			return text, &loginError{"refused", exitNo, errors.New("the server says: " + text)}
		case unavailable:
			return text, &loginError{"unavailable", exitUntried, errors.New("the server says: " + text)}
		}
		if err := x.answer(answer); err != nil {
			return "", err
		}
	}
	return "", badServer("the server does not come to an end after %d challenges", maxRounds)
}

// A clientExchange is the state of one exchange between a mechanism and a wire.
type clientExchange struct {
	protocol  mailProtocol
	wire      *wire
	client    *saslkit.ClientExchange
	mechanism string
	initial   []byte // not sent yet; nil if there is none or it was sent
	sent      int    // messages of ours
}

func (x *clientExchange) begin() error {
	_, initial, err := x.client.Start()
	if err != nil {
		return &loginError{"no-mechanism", exitUntried, errors.New(mech.AsError(err).Detail())}
	}
	if initial == nil {
		_, err := x.protocol.begin(x.mechanism, "", "")
		return err
	}
	encoded := base64.StdEncoding.EncodeToString(initial)
	if encoded == "" {
		encoded = "=" // empty, and not absent (RFC 4954 section 4, RFC 4959 section 3)
	}
	sent, err := x.protocol.begin(x.mechanism, encoded, x.wire.trace.response(x.mechanism, 0, initial))
	if sent {
		x.sent++
	} else {
		x.initial = initial
	}
	return err
}

// answer answers a challenge. What stands in the one that only asks for the
// initial response does not matter.
func (x *clientExchange) answer(challenge reply) error {
	response := x.initial
	if response == nil {
		message, err := decodeChallenge(challenge.text)
		if err != nil {
			x.wire.trace.server(challenge.word + " " + challenge.text)
			return x.cancel(badServer("a challenge of the server is not base64"))
		}
		x.wire.trace.challenge(challenge.word, x.mechanism, message)
		if response, err = x.client.Next(message); err != nil {
			failure := mech.AsError(err)
			return x.cancel(badServer("%s (%s)", failure.Class, failure.Detail()))
		}
	}
	number := x.sent
	x.initial = nil
	x.sent++
	return x.wire.send(base64.StdEncoding.EncodeToString(response), x.wire.trace.response(x.mechanism, number, response))
}

// cancel breaks the exchange off for a reason, which it returns.
func (x *clientExchange) cancel(reason error) error {
	if err := x.wire.send("*", "*"); err == nil {
		if answer, err := x.protocol.await(); err == nil && answer.kind == accepted {
			return badServer("%w; and then it said yes to a cancelled login", reason)
		}
	}
	return reason
}

// finish decides whether a yes is to be believed. A server that knows the
// password can prove it where the mechanism lets it, and none can have checked
// what was never sent.
func (x *clientExchange) finish() error {
	if x.sent == 0 {
		return badServer("the server says yes to %s before anything was sent", x.mechanism)
	}
	if err := x.client.Finish(); err != nil {
		return badServer("the server says yes but %s", strings.TrimPrefix(mech.AsError(err).Class.String(), "the server "))
	}
	return nil
}

// decodeChallenge decodes strictly. A lone "=" is how some servers write an
// empty challenge.
func decodeChallenge(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// parseServer reads a URL. Errors do not repeat it: people write passwords
// there.
func parseServer(text string) (serverAddress, error) {
	u, err := url.Parse(text)
	if err != nil {
		return serverAddress{}, usage("login: the URL is not like smtp://host:port")
	}
	kind, known := serverKinds[u.Scheme]
	switch {
	case !known:
		return serverAddress{}, usage("login: the URL is of no known kind (known: smtp:// smtps:// imap:// imaps://)")
	case u.User != nil:
		return serverAddress{}, usage("login: the user is an argument of its own, and the password is never one")
	case u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return serverAddress{}, usage("login: the URL is not like %s://host:port", u.Scheme)
	}
	kind.host = u.Hostname()
	if u.Port() != "" {
		kind.port = u.Port()
	}
	return kind, nil
}

// serverKinds are the schemes, each with its registered port (RFC 8314 for
// those with TLS from the start).
var serverKinds = map[string]serverAddress{
	"smtp":  {protocol: "smtp", port: "587"},
	"smtps": {protocol: "smtp", port: "465", implicit: true},
	"imap":  {protocol: "imap", port: "143"},
	"imaps": {protocol: "imap", port: "993", implicit: true},
}

// loginOptions are the options of the command.
type loginOptions struct {
	starttls, tls, insecure, trace bool

	mechanism, authzid string
	password           passwordSource
}

func newLoginCommand(std *stdio) *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login [options] URL USER",
		Short: "Log in to a live server",
		Long: `Logs in to smtp://host:port, smtps://, imap:// or imaps:// and out again.

Prints "ok mech=..." or "no reason=..." with one of: refused, bad-server (the
server broke the protocol or did not prove itself), unavailable, no-mechanism,
no-connection. The first two exit with 1, the others with 3.

Without --mech it takes the strongest mechanism offered. A password is sent in
the clear only with --insecure.`,
		Example: `  saslkit login --starttls --trace smtp://mail.example:587 alice
  saslkit login --mech CRAM-MD5 imap://mail.example alice`,
		Args: arguments("URL", "USER"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), std, args[0], args[1]) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.starttls, "starttls", false, "begin TLS with STARTTLS")
	f.BoolVar(&o.tls, "tls", false, "TLS from the start, as smtps:// and imaps:// have it")
	f.BoolVar(&o.insecure, "insecure", false, "accept any certificate, and send passwords in the clear if asked to")
	f.StringVar(&o.mechanism, "mech", "", "use this `MECHANISM`")
	f.StringVar(&o.authzid, "authzid", "", "act as this `USER`")
	f.BoolVar(&o.trace, "trace", false, "print the conversation on standard error, decoded and without secrets")
	o.password.register(f)
	return cmd
}

func (o *loginOptions) run(ctx context.Context, std *stdio, rawURL, user string) error {
	l, err := o.login(std, rawURL, user)
	if err != nil {
		return err
	}
	mechanism, text, err := l.run(ctx)
	var no *loginError
	switch {
	case errors.As(err, &no) && mechanism != "":
		fmt.Fprintf(std.out, "no reason=%s mech=%s\n", no.reason, mechanism)
		return &exitError{no.code, err}
	case errors.As(err, &no):
		fmt.Fprintf(std.out, "no reason=%s\n", no.reason)
		return &exitError{no.code, err}
	case err != nil:
		return err
	}
	fmt.Fprintf(std.out, "ok mech=%s\n", mechanism)
	std.say("the server says: %s", text)
	return nil
}

// login turns the command line into a login, and asks for the password if the
// mechanism takes one.
func (o *loginOptions) login(std *stdio, rawURL, user string) (*login, error) {
	server, err := parseServer(rawURL)
	if err != nil {
		return nil, err
	}
	l := &login{
		server:      server,
		tls:         &tls.Config{ServerName: server.host, InsecureSkipVerify: o.insecure},
		policy:      mech.Policy{Clear: mech.NoPlaintext, TLS: mech.AnyMechanism},
		credentials: saslkit.Credentials{Username: user, Authzid: o.authzid},
		trace:       &tracer{},
	}
	if o.insecure {
		l.policy.Clear = mech.AnyMechanism
	}
	if o.trace {
		l.trace.w = std.err
	}
	switch {
	case o.starttls && (o.tls || server.implicit):
		return nil, usage("login: --starttls and TLS from the start exclude each other")
	case o.starttls:
		l.security = startTLS
	case o.tls || server.implicit:
		l.security = implicitTLS
	}
	rows, err := o.candidates()
	if err != nil {
		return nil, err
	}
	l.mechanisms = mechanismNames(rows)
	for _, m := range rows {
		if m.Need == mech.NeedPassword || m.Need == mech.NeedSecret {
			l.credentials.Password, err = o.password.read(std, user)
			l.trace.hide(l.credentials.Password)
			return l, err
		}
	}
	return l, nil
}

// candidates are the mechanism asked for or, strongest first, all that tell who
// it is.
func (o *loginOptions) candidates() ([]*mech.Mechanism, error) {
	if o.mechanism != "" {
		m := mech.ByName(o.mechanism)
		if m == nil {
			return nil, usage("login: no mechanism %q (known: %s)", o.mechanism, strings.Join(mechanismNames(mech.All()), " "))
		}
		return []*mech.Mechanism{m}, nil
	}
	var rows []*mech.Mechanism
	for _, m := range mech.All() {
		if m.Provides&mech.NoAnonymous != 0 {
			rows = append(rows, m)
		}
	}
	return rows, nil
}
