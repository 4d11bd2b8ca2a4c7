package interop

import (
	"io"
	"log"
	"net"
	"testing"

	"github.com/emersion/go-imap"
	"github.com/emersion/go-imap/backend"
	"github.com/emersion/go-imap/client"
	"github.com/emersion/go-imap/server"
	"github.com/emersion/go-sasl"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/realm"
)

// go-imap v1 has no sessions: each AUTHENTICATE makes a sasl.Server of every
// mechanism, and an empty line of the client repeats its previous response.

// A v1Server is one mechanism's go-sasl server on one connection. The exchange
// starts with its first message, since go-imap makes servers that it never uses.
type v1Server struct {
	auth      *saslkit.Authenticator
	conn      server.Conn
	mechanism string

	peer     *saslkit.Peer
	exchange sasl.Server
}

func (s *v1Server) Next(response []byte) (challenge []byte, done bool, err error) {
	if s.peer == nil {
		s.peer = s.auth.NewPeer(saslkit.PeerConfig{
			Service: "imap",
			Realm:   realm.Policy{Default: labRealm},
			Channel: func() saslkit.Channel { return s.channel() },
		})
		if s.exchange, err = s.peer.Auth(s.mechanism); err != nil {
			return nil, false, err
		}
	}
	challenge, done, err = s.exchange.Next(response)
	if done {
		ctx := s.conn.Context()
		ctx.State = imap.AuthenticatedState
		ctx.User = v1User(s.peer)
	}
	return challenge, done, err
}

func (s *v1Server) channel() saslkit.Channel {
	if state := s.conn.TLSState(); state != nil {
		return saslkit.ServerTLS(*state, nil)
	}
	return saslkit.Channel{}
}

// v1User is who logged in, as go-imap v1 wants it.
func v1User(p *saslkit.Peer) backend.User {
	result, _ := p.Result()
	return &namedUser{name: result.Name()}
}

type namedUser struct {
	backend.User // nobody opens a mailbox here
	name         string
}

func (u *namedUser) Username() string { return u.name }
func (u *namedUser) Logout() error    { return nil }

type noLogin struct{}

func (noLogin) Login(*imap.ConnInfo, string, string) (backend.User, error) {
	return nil, backend.ErrInvalidCredentials
}

func imapV1Lab(t *testing.T) *lab {
	t.Helper()
	l := &lab{tls: labTLS(t)}
	auth := labAuth()
	auth.Observer = l.observe
	s := server.New(noLogin{})
	s.AllowInsecureAuth = true
	s.TLSConfig = l.tls.server
	s.ErrorLog = log.New(io.Discard, "", 0)
	for _, mechanism := range allMechanisms {
		s.EnableAuth(mechanism, func(conn server.Conn) sasl.Server {
			return &v1Server{auth: auth, conn: conn, mechanism: mechanism}
		})
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
	l.addr = ln.Addr().String()
	return l
}

func TestIMAPv1Login(t *testing.T) {
	for _, w := range []wire{inClear, startTLS} {
		for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"} {
			t.Run(mechanism+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				l := imapV1Lab(t)
				c, err := client.Dial(l.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Logout()
				c.ErrorLog = log.New(io.Discard, "", 0)
				if w == startTLS {
					if err := c.StartTLS(l.tls.client); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Authenticate(v1Client(t, w, mechanism, "wrong")); err == nil {
					t.Fatal("logged in with a wrong password")
				}
				x := v1Client(t, w, mechanism, labPassword)
				if err := c.Authenticate(x); err != nil {
					t.Fatal(err)
				}
				if err := x.Finish(); err != nil {
					t.Fatal(err)
				}
				wantV1Events(t, l, mechanism, w)
			})
		}
	}
}

func v1Client(t *testing.T, w wire, mechanism, password string) *saslkit.ClientExchange {
	t.Helper()
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: password},
		Mechanisms:  []string{mechanism},
		Policy:      labPolicy,
		Channel:     saslkit.Channel{Secure: w.secure()},
		Service:     "imap",
		Host:        "localhost",
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// wantV1Events wants a failure and then a success.
func wantV1Events(t *testing.T, l *lab, mechanism string, w wire) {
	t.Helper()
	events := l.seen(t).events
	if len(events) != 2 || events[0].Err == nil || events[1].Err != nil {
		t.Fatalf("events %+v, want a failure and a success", events)
	}
	if e := events[1]; e.User != labUser || e.Realm != labRealm || e.Mechanism != mechanism || e.Secure != w.secure() {
		t.Errorf("logged in: %+v", e)
	}
}

// The repeated response is the acknowledgement of the server's proof.
func TestIMAPv1EmptyLine(t *testing.T) {
	t.Parallel()
	l := imapV1Lab(t)
	d, _ := imapDialog(t, l, inClear)
	protocols["imap"].digestToFinal(t, d, "imap")
	d.follow([]string{"C: ", "S: a OK"})
}
