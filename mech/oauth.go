package mech

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/saslkit/saslkit/verifier"
)

// OAUTHBEARER, RFC 7628, and XOAUTH2, which Google and Microsoft had before it. The
// client sends a bearer token that it got elsewhere, in one message, and a
// TokenVerifier says whose it is. A refused token is explained in JSON; the client
// answers that with one byte, or nothing, and then the exchange fails. The second
// message is not looked at: there is one token to an exchange.
//
// A bearer token is as good as a password for as long as it is valid: whoever sees it
// can use it again. Only TLS protects it.

// OAUTHBEARER sends a bearer token (RFC 7628). Servers need a [verifier.TokenVerifier].
// Only TLS protects the token.
var OAUTHBEARER = &Mechanism{
	Name:        "OAUTHBEARER",
	Provides:    NoDictionary | NoAnonymous,
	Need:        NeedToken,
	MaxResponse: maxTokenResponse,
	server:      rfc7628.newServer,
	client:      rfc7628.newClient,
}

// XOAUTH2 is [OAUTHBEARER] as Google and Microsoft had it before, with the same tokens.
var XOAUTH2 = &Mechanism{
	Name:        "XOAUTH2",
	Provides:    NoDictionary | NoAnonymous,
	Need:        NeedToken,
	MaxResponse: maxTokenResponse,
	server:      googles.newServer,
	client:      googles.newClient,
}

// maxTokenResponse is the length that RFC 4422 would let a security layer's buffer have
// at the least; tokens with many claims take 10,000 bytes. What a TokenVerifier takes is
// its own matter.
const maxTokenResponse = 65535

// An oauthDialect is in what the two differ.
type oauthDialect struct {
	parse           func([]byte) (oauthMessage, error)
	print           func(oauthMessage, []byte) []byte
	refusal         func(*verifier.TokenError) oauthRefusal
	acknowledgement []byte // what the client answers to a refusal
}

var (
	rfc7628 = &oauthDialect{parseOAUTHBEARER, oauthMessage.appendOAUTHBEARER, refusalOf, []byte{oauthSeparator}}
	googles = &oauthDialect{parseXOAUTH2, oauthMessage.appendXOAUTH2, numberedRefusalOf, []byte{}}
)

type oauthServer struct {
	server[oauthServer]
	*oauthDialect
	refused error
}

func (d *oauthDialect) newServer(base serverBase) Server {
	s := &oauthServer{oauthDialect: d}
	s.begin(s, base, (*oauthServer).awaitToken)
	return s
}

func (s *oauthServer) awaitToken(ctx context.Context, response []byte) ([]byte, state[oauthServer], error) {
	m, err := s.parse(response)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	name, err := s.prepareAuthzid(m.name)
	if err != nil {
		return nil, nil, err
	}
	account, err := s.VerifyToken(ctx, name, m.token)
	switch refusal, refused := refusedToken(err); {
	case refused:
		s.refused = &Error{Class: BadCredentials, Code: "auth-failed", Err: err}
		return s.refusal(refusal).append(nil), (*oauthServer).awaitAcknowledgement, nil
	case err != nil:
		return nil, nil, err
	case m.token == "":
		return nil, nil, &verifier.ContractError{Rule: "no token is refused"}
	}
	return nil, nil, s.finish(ctx, account, "", name)
}

// refusedToken tells a refusal from trouble, and from what another token would not mend:
// that is not told in JSON, or the client would go and get one.
func refusedToken(err error) (*verifier.TokenError, bool) {
	refusal := new(verifier.TokenError)
	if !verifier.Refused(err) {
		return nil, false
	}
	errors.As(err, &refusal)
	return refusal, true
}

// awaitAcknowledgement takes any answer to the refusal.
func (s *oauthServer) awaitAcknowledgement(context.Context, []byte) ([]byte, state[oauthServer], error) {
	return nil, nil, s.refused
}

type oauthClient struct {
	client
	*oauthDialect
}

func (d *oauthDialect) newClient(base client) Client {
	c := &oauthClient{base, d}
	c.await = c.awaitRefusal
	return c
}

// Start asks for a token. The name that is sent is of whom to act as: RFC 7628 has no
// other, and with XOAUTH2 it names the mailbox that somebody shares.
func (c *oauthClient) Start() ([]byte, error) {
	if c.Token == nil {
		return nil, malformed("malformed", errors.New("mech: no token to log in with"))
	}
	ctx := c.Context
	if ctx == nil {
		ctx = context.Background()
	}
	token, err := c.Token(ctx)
	if err != nil {
		return nil, AsError(fmt.Errorf("mech: token: %w", err))
	}
	m := oauthMessage{name: cmp.Or(c.Authzid, c.Username), host: c.Host, port: c.Port, token: token}
	if err := checkSendable("user name", m.name, true); err != nil {
		return nil, err
	}
	b := c.print(m, nil)
	// Nothing in a value may end it: the message must read as what it was made from.
	again, err := c.parse(b)
	if err != nil || again.name != m.name || again.token != token || token == "" || !bytes.Equal(c.print(again, nil), b) {
		return nil, malformed("malformed", errors.New("mech: name, host or token cannot be sent (a token is letters, digits and -._~+/=)"))
	}
	return b, nil
}

// awaitRefusal notes why the token is refused, for Finish, and answers what the server
// waits for to end the exchange.
func (c *oauthClient) awaitRefusal(challenge []byte) ([]byte, clientState, error) {
	r, err := parseOAuthRefusal(challenge)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	c.failed = &Error{Class: ServerRefused, Code: "token-refused", Err: &verifier.TokenError{Status: r.Status, Scope: r.Scope, Configuration: r.Configuration}}
	return bytes.Clone(c.acknowledgement), nil, nil
}
