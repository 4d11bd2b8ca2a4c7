package mech

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/saslkit/saslkit/verifier"
)

// PLAIN, RFC 4616. The client sends its name and password in one message,
// optionally with the name of somebody to act as. Every store that can check a
// password serves it.
//
// The password crosses the wire as it is: only TLS protects it.

// PLAIN sends name and password (RFC 4616). Every [verifier.Verifier] serves it, and only
// TLS protects the password.
var PLAIN = &Mechanism{
	Name:        "PLAIN",
	Provides:    NoAnonymous | PassCredentials,
	Need:        NeedPassword,
	Secrets:     []verifier.Kind{verifier.KindCheck},
	MaxResponse: maxNameLimit + 1 + maxNameLimit + 1 + maxPasswordLimit,
	server:      newPlainServer,
	client:      newPlainClient,
}

type plainServer struct{ server[plainServer] }

func newPlainServer(base serverBase) Server {
	s := new(plainServer)
	s.begin(s, base, (*plainServer).awaitMessage)
	return s
}

func (s *plainServer) awaitMessage(ctx context.Context, response []byte) ([]byte, state[plainServer], error) {
	m, err := parsePlain(response)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	authzid, err := s.prepareAuthzid(m.authzid)
	if err != nil {
		return nil, nil, err
	}
	name, err := s.prepareName(m.authcid)
	if err != nil {
		return nil, nil, err
	}
	account, err := s.checkPassword(ctx, name, m.password)
	if err != nil {
		return nil, nil, err
	}
	return nil, nil, s.finish(ctx, account, name, authzid)
}

type plainMessage struct{ authzid, authcid, password string }

// parsePlain reads [authzid] NUL authcid NUL passwd. Whether the names are UTF-8 is
// checked with the names.
func parsePlain(b []byte) (plainMessage, error) {
	fault := func(offset int, reason string) (plainMessage, error) {
		return plainMessage{}, &SyntaxError{Message: "PLAIN message", Offset: offset, Reason: reason}
	}
	m := string(b)
	first := strings.IndexByte(m, 0)
	if first < 0 {
		return fault(len(m), "expected NUL after the authorization identity")
	}
	length := strings.IndexByte(m[first+1:], 0)
	if length < 0 {
		return fault(len(m), "expected NUL after the authentication identity")
	}
	second := first + 1 + length
	password := m[second+1:]
	switch {
	case strings.IndexByte(password, 0) >= 0:
		return fault(second+1, "NUL in the password")
	case !utf8.ValidString(password):
		return fault(second+1, "the password is not UTF-8")
	}
	return plainMessage{authzid: m[:first], authcid: m[first+1 : second], password: password}, nil
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
	m := plainMessage{authcid: c.Username, password: c.Password}
	if c.Authzid != c.Username {
		m.authzid = c.Authzid
	}
	return m.append(nil), nil
}
