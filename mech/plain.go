package mech

import (
	"context"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/verifier"
)

// PLAIN, RFC 4616. The client sends its name and password in one message,
// optionally with the name of somebody to act as. Every store that can check a
// password serves it.
//
// The password crosses the wire as it is: only TLS protects it.

// PLAIN is the PLAIN mechanism.
var PLAIN = &Mechanism{
	Name:        "PLAIN",
	Provides:    NoAnonymous | PassCredentials,
	Need:        NeedPassword,
	Secrets:     []verifier.Kind{verifier.KindCheck},
	MaxResponse: maxNameLimit + 1 + maxNameLimit + 1 + maxPasswordLimit,
	server:      newPlainServer,
	client:      newPlainClient,
}

type plainServer struct{ server }

func newPlainServer(base server) Server {
	s := &plainServer{base}
	s.await = s.awaitMessage
	return s
}

func (s *plainServer) awaitMessage(ctx context.Context, response []byte) ([]byte, serverState, error) {
	m, err := parsePlain(response)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	authzid, err := s.Limits.prepareAuthzid(m.authzid)
	if err != nil {
		return nil, nil, err
	}
	name, err := s.Limits.prepareName(m.authcid)
	if err != nil {
		return nil, nil, err
	}
	password, err := s.Limits.preparePassword(m.password)
	if err != nil {
		return nil, nil, err
	}
	account, err := s.Backend.VerifyPassword(ctx, name, password)
	if err != nil {
		return nil, nil, err
	}
	return nil, nil, s.finish(ctx, account, name, authzid)
}

type plainMessage struct{ authzid, authcid, password []byte }

// parsePlain reads [authzid] NUL authcid NUL passwd. The parts alias b.
func parsePlain(b []byte) (m plainMessage, err error) {
	if !utf8.Valid(b) {
		return plainMessage{}, &SyntaxError{Message: "PLAIN message", Reason: "not UTF-8"}
	}
	c := cursor.New(b)
	m.authzid = c.Until(0, "expected NUL after the authorization identity")
	m.authcid = c.Until(0, "expected NUL after the authentication identity")
	m.password = c.While(func(b byte) bool { return b != 0 })
	if err := c.Err("PLAIN message"); err != nil {
		return plainMessage{}, err
	}
	return m, nil
}

func (m plainMessage) append(b []byte) []byte {
	b = append(append(b, m.authzid...), 0)
	b = append(append(b, m.authcid...), 0)
	return append(b, m.password...)
}

type plainClient struct{ client }

func newPlainClient(base client) Client {
	return &plainClient{base}
}

// Start sends names and password as given: preparing them is the server's work.
func (c *plainClient) Start() ([]byte, error) {
	if err := c.checkCredentials(); err != nil {
		return nil, err
	}
	m := plainMessage{authcid: []byte(c.Username), password: []byte(c.Password)}
	if c.Authzid != c.Username {
		m.authzid = []byte(c.Authzid)
	}
	return m.append(nil), nil
}

// checkCredentials refuses credentials that cannot be sent.
func (c *client) checkCredentials() error {
	if err := checkSendable("user name", c.Username, false); err != nil {
		return err
	}
	if err := checkSendable("authorization identity", c.Authzid, true); err != nil {
		return err
	}
	return checkSendable("password", c.Password, false)
}
