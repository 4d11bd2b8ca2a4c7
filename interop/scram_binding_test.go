package interop

import (
	"bufio"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

const (
	scram256     = "SCRAM-SHA-256"
	scram256Plus = "SCRAM-SHA-256-PLUS"
)

// A tlsClient is connected under TLS and about to log in.
type tlsClient struct {
	service string
	offered []string
	state   tls.ConnectionState
	auth    func(sasl.Client) error
	close   func() error
}

// tlsClients connect with TLS from the first byte. go-imap's client does not show
// its TLS state, so the connection is made without it.
var tlsClients = map[string]func(testing.TB, *lab) tlsClient{
	"smtp": func(t testing.TB, l *lab) tlsClient {
		c := dialSMTP(t, l, overTLS, "")
		_, offered := c.Extension("AUTH")
		state, _ := c.TLSConnectionState()
		return tlsClient{"smtp", strings.Fields(offered), state, c.Auth, c.Close}
	},
	"imap": func(t testing.TB, l *lab) tlsClient {
		conn, err := tls.Dial("tcp", l.addr, l.tls.client)
		if err != nil {
			t.Fatal(err)
		}
		c := imapclient.New(conn, nil)
		return tlsClient{"imap", c.Caps().AuthMechanisms(), conn.ConnectionState(), c.Authenticate, c.Close}
	},
}

var labs = map[string]func(testing.TB, setup) *lab{"smtp": smtpLab, "imap": imapLab}

// login logs in by the first of the mechanisms that the server offers, and ends the
// connection.
func (c tlsClient) login(t testing.TB, ch saslkit.Channel, mechanisms ...string) (used string, err error) {
	t.Helper()
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: labPassword},
		Offered:     c.offered,
		Mechanisms:  mechanisms,
		Channel:     ch,
		Service:     c.service,
		Host:        "localhost",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.auth(x); err != nil {
		return x.Mechanism(), err
	}
	return x.Mechanism(), x.Finish()
}

// boundBy is the client's channel with no other type of channel binding.
func boundBy(typ string, state tls.ConnectionState) saslkit.Channel {
	ch := saslkit.ClientTLS(state)
	every := ch.Binding
	ch.Binding = func(t string) ([]byte, bool) {
		if t != typ {
			return nil, false
		}
		return every(t)
	}
	return ch
}

var bindingTypes = []string{mech.BindingExporter, mech.BindingUnique, mech.BindingEndPoint}

// Both ends bind to what they see of the same connection, if it can be bound to: TLS
// 1.3 has no tls-unique, and the signature of an Ed25519 certificate no hash that
// tls-server-end-point could take.
func TestChannelBinding(t *testing.T) {
	for name, key := range map[string]keyMaker{
		"RSA":     func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
		"ECDSA":   ecdsaKey,
		"Ed25519": func() (crypto.Signer, error) { _, k, err := ed25519.GenerateKey(rand.Reader); return k, err },
	} {
		cert, err := selfSigned(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, typ := range bindingTypes {
				t.Run(name+"/"+tls.VersionName(version)+"/"+typ, func(t *testing.T) {
					t.Parallel()
					possible := !(typ == mech.BindingUnique && version == tls.VersionTLS13) && !(typ == mech.BindingEndPoint && name == "Ed25519")
					for service, start := range labs {
						site := siteTLS(t, cert)
						site.server.MinVersion, site.server.MaxVersion = version, version
						l := start(t, setup{auth: scramAuth(t), tls: site, channel: CertificateChannel(cert.Leaf), implicit: true})
						c := tlsClients[service](t, l)
						ch := boundBy(typ, c.state)
						if _, ok := ch.Binding(typ); ok != possible {
							t.Fatalf("the client has data: %v, want %v", ok, possible)
						}
						if !possible {
							continue
						}
						if _, err := c.login(t, ch, scram256Plus); err != nil {
							t.Errorf("%s: %v\n%s", service, err, l.seen(t).transcript)
						}
					}
				})
			}
		}
	}
}

// A manInTheMiddle ends the client's TLS with a certificate of his own, which it
// trusts, and has another connection to the server. He is a lab to the client. What
// the server says passes through edit, line by line.
func manInTheMiddle(t testing.TB, l *lab, site *testTLS, edit func(line string) string) *lab {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", site.server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			go pass(client, l, edit)
		}
	}()
	return &lab{addr: ln.Addr().String(), tls: site}
}

// pass is one connection through the man in the middle, until one end closes it.
func pass(client net.Conn, l *lab, edit func(line string) string) {
	defer client.Close()
	server, err := tls.Dial("tcp", l.addr, l.tls.client)
	if err != nil {
		return
	}
	go func() {
		io.Copy(server, client)
		server.Close()
	}()
	lines := bufio.NewReader(server)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		io.WriteString(client, edit(line))
	}
}

func verbatim(line string) string { return line }

var plusName = regexp.MustCompile(` SCRAM-[A-Z0-9-]+-PLUS`)

func withoutPlus(line string) string { return plusName.ReplaceAllString(line, "") }

// What -PLUS is for: somebody whom the client's TLS takes for the server passes the
// messages of SASL on and is logged in as the client. With channel binding he is
// not, nor if he hides that there is channel binding.
func TestManInTheMiddle(t *testing.T) {
	forged, err := selfSigned(ecdsaKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			man := func(edit func(string) string, site *testTLS) (l *lab, c tlsClient) {
				t.Helper()
				site.server.MinVersion, site.server.MaxVersion = version, version
				own := labTLS(t)
				l = smtpLab(t, setup{auth: scramAuth(t), tls: own, channel: CertificateChannel(own.leaf), implicit: true})
				return l, tlsClients["smtp"](t, manInTheMiddle(t, l, site, edit))
			}
			t.Run("no binding", func(t *testing.T) {
				_, c := man(verbatim, siteTLS(t, forged))
				if _, err := c.login(t, saslkit.Channel{Secure: true}, scram256); err != nil {
					t.Errorf("the test bed: %v", err)
				}
			})
			for _, typ := range bindingTypes {
				if typ == mech.BindingUnique && version == tls.VersionTLS13 {
					continue
				}
				t.Run(typ, func(t *testing.T) {
					l, c := man(verbatim, siteTLS(t, forged))
					used, err := c.login(t, boundBy(typ, c.state), scram256Plus)
					wantBetrayed(t, l, used, scram256Plus, err)
				})
			}
			t.Run("hidden", func(t *testing.T) {
				l, c := man(withoutPlus, siteTLS(t, forged))
				used, err := c.login(t, saslkit.ClientTLS(c.state), scram256Plus, scram256)
				wantBetrayed(t, l, used, scram256, err)
			})
			// Whoever has the server's key is the server as far as its
			// certificate goes: only the types of the connection tell.
			t.Run("stolen key/"+mech.BindingEndPoint, func(t *testing.T) {
				_, c := man(verbatim, labTLS(t))
				if _, err := c.login(t, boundBy(mech.BindingEndPoint, c.state), scram256Plus); err != nil {
					t.Error(err)
				}
			})
			t.Run("stolen key/"+mech.BindingExporter, func(t *testing.T) {
				l, c := man(verbatim, labTLS(t))
				used, err := c.login(t, boundBy(mech.BindingExporter, c.state), scram256Plus)
				wantBetrayed(t, l, used, scram256Plus, err)
			})
		})
	}
}

// wantBetrayed wants the login refused with what a wrong password is refused with.
func wantBetrayed(t *testing.T, l *lab, used, mechanism string, err error) {
	t.Helper()
	if used != mechanism {
		t.Errorf("the client took %s, want %s", used, mechanism)
	}
	wantSMTPError(t, err, 535, smtp.EnhancedCode{5, 7, 8})
	if s := l.seen(t); len(s.results) != 0 {
		t.Errorf("logged in: %+v", s.results)
	}
}
