package mech

import (
	"context"

	"github.com/saslkit/saslkit/verifier"
)

// LOGIN, draft-murchison-sasl-login-00. The server asks for the name, then for
// the password. It was never a standard, Cyrus SASL's next version and go-sasl
// have dropped it, and Outlook and many devices still speak nothing else.
//
// It is as weak as PLAIN, and has no authorization identity.

// LOGIN sends name and password one after the other (draft-murchison-sasl-login-00). It is
// as weak as [PLAIN], and what Outlook and many devices speak.
var LOGIN = &Mechanism{
	Name:        "LOGIN",
	Provides:    NoAnonymous | PassCredentials,
	Need:        NeedPassword,
	Secrets:     []verifier.Kind{verifier.KindCheck},
	ServerFirst: true,
	MaxResponse: maxPasswordLimit,
	server:      newLoginServer,
	client:      newLoginClient,
}

// Exactly these prompts: Outlook and old Netscape compare their base64.
const (
	loginUserPrompt     = "Username:"
	loginPasswordPrompt = "Password:"
)

type loginServer struct {
	server[loginServer]
	name string
}

func newLoginServer(base serverBase) Server {
	s := new(loginServer)
	s.begin(s, base, (*loginServer).awaitUser)
	return s
}

// awaitUser prompts for the name. An initial response, which Outlook, JavaMail
// and PHPMailer send although LOGIN has none, is taken as the name.
func (s *loginServer) awaitUser(_ context.Context, response []byte) ([]byte, state[loginServer], error) {
	if response == nil {
		return []byte(loginUserPrompt), (*loginServer).awaitUser, nil
	}
	name, err := s.prepareName(string(response))
	if err != nil {
		return nil, nil, err
	}
	s.name = name
	return []byte(loginPasswordPrompt), (*loginServer).awaitPassword, nil
}

func (s *loginServer) awaitPassword(ctx context.Context, response []byte) ([]byte, state[loginServer], error) {
	account, err := s.checkPassword(ctx, s.name, string(response))
	if err != nil {
		return nil, nil, err
	}
	return nil, nil, s.finish(ctx, account, s.name, "")
}

type loginClient struct{ client }

func newLoginClient(base client) Client {
	c := &loginClient{base}
	c.await = c.awaitUserPrompt
	return c
}

func (c *loginClient) Start() ([]byte, error) { return nil, c.checkOwnCredentials("LOGIN") }

// awaitUserPrompt answers by position: the texts of prompts differ from server
// to server ("User Name" with a NUL in the draft, "Username:", "login:").
func (c *loginClient) awaitUserPrompt([]byte) ([]byte, clientState, error) {
	return []byte(c.Username), c.awaitPasswordPrompt, nil
}

func (c *loginClient) awaitPasswordPrompt([]byte) ([]byte, clientState, error) {
	return []byte(c.Password), nil, nil
}
