package mech

import (
	"bytes"
	"context"
	"unicode/utf8"

	"github.com/saslkit/saslkit/verifier"
)

// EXTERNAL, RFC 4422 appendix A. The channel has proven who the client is: a
// verified TLS certificate, or the credentials of a Unix socket. The message
// only says whom to act as. It is never where the identity comes from: several
// IRC servers took it from there (CVE-2016-7142, -7143, -7144).

// EXTERNAL takes who the channel has proven to be there: by a client certificate, or by
// the credentials of a unix socket (RFC 4422 appendix A). The message says only whom to
// act as.
var EXTERNAL = &Mechanism{
	Name:        "EXTERNAL",
	Provides:    NoPlaintext | NoDictionary | NoAnonymous,
	Need:        NeedExternal,
	MaxResponse: maxNameLimit,
	server:      newExternalServer,
	client:      newExternalClient,
}

type externalServer struct{ server[externalServer] }

func newExternalServer(base serverBase) Server {
	s := new(externalServer)
	s.begin(s, base, (*externalServer).awaitAuthzid)
	return s
}

func (s *externalServer) awaitAuthzid(ctx context.Context, response []byte) ([]byte, state[externalServer], error) {
	proven := s.External()
	switch {
	case proven == "":
		return nil, nil, &Error{Class: MechanismUnavailable, Code: "mechanism-unavailable"}
	case !utf8.Valid(response):
		return nil, nil, malformed("malformed", errUTF8)
	case bytes.IndexByte(response, 0) >= 0:
		return nil, nil, malformed("malformed", errNUL)
	case len(response) > s.Limits.name():
		return nil, nil, &Error{Class: Limit, Code: "too-long"}
	}
	// Compared as sent: external identities are not prepared.
	return nil, nil, s.finish(ctx, verifier.Account{User: proven}, proven, string(response))
}

type externalClient struct{ client }

func newExternalClient(base client) Client {
	return &externalClient{base}
}

// Start sends the authorization identity. An empty one is an empty slice, which
// SMTP sends as "=".
func (c *externalClient) Start() ([]byte, error) {
	if err := checkSendable("authorization identity", c.Authzid, true); err != nil {
		return nil, err
	}
	return append([]byte{}, c.Authzid...), nil
}
