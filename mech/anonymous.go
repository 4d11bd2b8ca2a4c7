package mech

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/verifier"
)

// ANONYMOUS, RFC 4505. The client says something about itself, or nothing, and
// is let in as nobody in particular. The trace is for the log and proves
// nothing.

// ANONYMOUS lets everybody in as nobody in particular (RFC 4505). It is offered only by
// name, and where the policy does not ask for [NoAnonymous].
var ANONYMOUS = &Mechanism{
	Name:        "ANONYMOUS",
	Provides:    NoPlaintext,
	Need:        NeedNothing,
	OnlyIfNamed: true,
	MaxResponse: maxTraceBytes,
	server:      newAnonymousServer,
	client:      newAnonymousClient,
}

// maxTraceBytes is 255 characters (RFC 4505 section 2) of at most 4 bytes, with
// room to tell one that is too long from one that is far too long.
const maxTraceBytes = 4 * maxNameLimit

type anonymousServer struct{ server[anonymousServer] }

func newAnonymousServer(base serverBase) Server {
	s := new(anonymousServer)
	s.begin(s, base, (*anonymousServer).awaitTrace)
	return s
}

func (s *anonymousServer) awaitTrace(_ context.Context, response []byte) ([]byte, state[anonymousServer], error) {
	if !utf8.Valid(response) {
		return nil, nil, malformed("malformed", errUTF8)
	}
	trace := string(response)
	if err := checkTrace(trace); err != nil {
		return nil, nil, err
	}
	user := s.AnonymousUser
	if user == "" {
		user = "anonymous"
	}
	s.identity = Identity{Account: verifier.Account{User: user}, Authzid: user, Trace: trace}
	return nil, nil, nil
}

// checkTrace applies the trace profile (RFC 4505 section 3): among others, no
// control characters, which keeps log lines whole.
func checkTrace(trace string) error {
	err := saslprep.Trace(trace)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, saslprep.ErrTooLong):
		return &Error{Class: Limit, Code: "too-long", Err: err}
	}
	return malformed("prep", err)
}

type anonymousClient struct{ client }

func newAnonymousClient(base client) Client {
	return &anonymousClient{base}
}

// Start sends the trace, by default an empty one: what a user is called locally
// is nobody's business.
func (c *anonymousClient) Start() ([]byte, error) {
	if err := checkTrace(c.Trace); err != nil {
		return nil, err
	}
	return append([]byte{}, c.Trace...), nil
}
