package ldap

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/verifier"
)

// A target is where a server listens, and how TLS begins there.
type target struct {
	uri, network, address string
	tls                   *tls.Config // nil: none
	startTLS              bool
}

// usualSocket is where slapd has its unix socket if it is not told.
const usualSocket = "/var/run/slapd/ldapi"

// parseTarget reads the URI of a server.
func parseTarget(uri string, o *Options) (target, error) {
	if path, ok := strings.CutPrefix(uri, "ldapi://"); ok {
		path, err := url.PathUnescape(strings.TrimSuffix(path, "/"))
		switch {
		case err != nil || strings.Contains(path, "\x00"):
			return target{}, fmt.Errorf("ldap: options: server %q is not ldapi://%%2Fpath%%2Fsocket/", uri)
		case path == "":
			path = usualSocket
		}
		return target{uri: uri, network: "unix", address: path}, nil
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Opaque != "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(u.Hostname(), "[]") {
		return target{}, fmt.Errorf("ldap: options: server %q is not ldap://host:port/, ldaps://host:port/ or ldapi://%%2Fpath/", uri)
	}
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = "localhost"
	}
	t := target{uri: uri, network: "tcp"}
	switch {
	case u.Scheme == "ldaps" && o.StartTLS:
		return target{}, fmt.Errorf("ldap: options: server %q: the connection is TLS from its beginning (no StartTLS, or ldap://)", uri)
	case port != "":
	case u.Scheme == "ldaps":
		port = goldap.DefaultLdapsPort
	default:
		port = goldap.DefaultLdapPort
	}
	t.address = net.JoinHostPort(host, port)
	if t.startTLS = o.StartTLS; t.startTLS || u.Scheme == "ldaps" {
		t.tls = &tls.Config{}
		if o.TLS != nil {
			t.tls = o.TLS.Clone()
		}
		t.tls.ServerName = host
	}
	return t, nil
}

// dial connects, with TLS if the target has it, within the context.
func (t *target) dial(ctx context.Context) (*guard, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, t.network, t.address)
	if err != nil {
		return nil, silent(err)
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	secured, err := t.secure(ctx, c)
	if ended := !stop(); ended {
		err = silent(errors.Join(ctx.Err(), err))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return newGuard(secured), nil
}

func (t *target) secure(ctx context.Context, c net.Conn) (net.Conn, error) {
	if t.tls == nil {
		return c, nil
	}
	if t.startTLS {
		if err := startTLS(c); err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
	}
	secured := tls.Client(c, t.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}

// startTLSRequest is message 1, an extended request (RFC 4511 section 4.14.1).
const startTLSRequest = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"

// startTLS asks for TLS. Anything that came before it is a reason to hang up: it is from
// somebody on the way, and must not count as if it had come through TLS.
func startTLS(c net.Conn) error {
	if _, err := c.Write([]byte(startTLSRequest)); err != nil {
		return silent(err)
	}
	r := bufio.NewReader(c)
	message, err := readMessage(r)
	if err != nil {
		return silent(err)
	}
	if r.Buffered() > 0 {
		return errors.New("there is more before TLS than the answer")
	}
	return startedTLS(message)
}

// startedTLS reads the answer. The message is within bounds.
func startedTLS(message []byte) error {
	p, err := ber.DecodePacketErr(message)
	if err != nil {
		return err
	}
	if len(p.Children) < 2 {
		return errForm
	}
	id, ok := p.Children[0].Value.(int64)
	if !ok || id != 1 || p.Children[1].ClassType != ber.ClassApplication || p.Children[1].Tag != goldap.ApplicationExtendedResponse {
		return errors.New("the answer is to something else")
	}
	if err := goldap.GetLDAPError(p); err != nil {
		return fmt.Errorf("%w (has the server a certificate? use ldaps:// or ldapi:// otherwise)", told(err))
	}
	return nil
}

// A conn is a connection to a server. It is used by one goroutine at a time.
type conn struct {
	*goldap.Conn
	guard  *guard
	broken bool
	timer  *time.Timer // closes it when it has been idle
}

// open makes a connection ready for questions.
func open(ctx context.Context, t *target) (*conn, error) {
	g, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: goldap.NewConn(g, t.tls != nil), guard: g}
	c.Start()
	return c, nil
}

// close closes the connection below first, so that neither of the goroutines that go-ldap
// has for it can be waiting for the server.
func (c *conn) close() {
	c.guard.Conn.Close()
	c.Conn.Close()
}

// ask puts a question. Errors that are no answer of the server match errSilent, and leave
// the connection broken; those that match errEnded may be because it was closed before.
func (c *conn) ask(ctx context.Context, question func(*conn) error) error {
	c.broken = true // if the question panics
	stop := context.AfterFunc(ctx, func() { c.guard.Conn.Close() })
	c.guard.ask()
	err := question(c)
	if !stop() {
		if err == nil {
			return nil // answered in the last moment
		}
		return silent(fmt.Errorf("no answer: %w", ctx.Err()))
	}
	if _, _, ok := codeOf(err); !ok && !verifier.Answered(err) && !errors.As(err, new(answer)) {
		return silent(fmt.Errorf("%w: %w", errEnded, err))
	}
	c.broken = false
	return err
}
