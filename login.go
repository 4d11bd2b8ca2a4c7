package saslkit

import (
	"errors"
	"fmt"

	"github.com/emersion/go-sasl"

	"github.com/saslkit/saslkit/mech"
)

// Login logs in with what a library for a protocol has for it: the method Auth of
// go-smtp's client, or Authenticate of go-imap's. They know nothing of
// [ClientExchange.Finish], which Login calls.
//
//	login, err := saslkit.Login(cfg, client.Auth)
//
// The errors are those of [NewClient], of authenticate, and of Finish: after one of
// these the connection is not to be used, although the server may think otherwise. If
// the server has said why it refuses a token, that is in the error too.
func Login(cfg ClientConfig, authenticate func(sasl.Client) error) (*ClientExchange, error) {
	x, err := NewClient(cfg)
	if err != nil {
		return nil, err
	}
	if err := authenticate(x); err != nil {
		var said *Error
		if errors.As(x.Finish(), &said) && said.Class == mech.ServerRefused && !errors.Is(err, said) {
			err = fmt.Errorf("%w: %w", err, said.Detailed())
		}
		return nil, err
	}
	if err := x.Finish(); err != nil {
		return nil, err
	}
	return x, nil
}
