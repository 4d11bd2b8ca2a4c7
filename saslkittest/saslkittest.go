package saslkittest

import (
	"fmt"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
)

// Login runs a whole exchange of one mechanism, our client against the server
// that auth configures, and returns who logged in. The error is a *[saslkit.Error], as
// [errors.As] finds it: the server's, or the client's if the client broke off. Its text
// says the cause. Login does not need a *[testing.T] and may be called concurrently.
func Login(auth *saslkit.Authenticator, ch saslkit.Channel, mechanism, user, password string) (saslkit.Result, error) {
	return Client{
		Mechanism:   mechanism,
		Channel:     ch,
		Credentials: saslkit.Credentials{Username: user, Password: password},
	}.Login(auth)
}

// A Client is a login with everything said. It is one value for both sides, and may be
// used again.
type Client struct {
	Mechanism   string // as registered, "SCRAM-SHA-256"
	Credentials saslkit.Credentials
	Channel     saslkit.Channel // what both sides know of the connection
	Service     string          // "" means "smtp"
	Host        string          // the server, as the client knows it; "" means "localhost"
	Realm       realm.Policy    // the realms that the server serves
	HostNames   []string        // of the server: see saslkit.PeerConfig
}

// maxSteps bounds the exchange, should a mechanism never end.
const maxSteps = 20

// Login runs the exchange, like the function [Login].
func (c Client) Login(auth *saslkit.Authenticator) (saslkit.Result, error) {
	if c.Service == "" {
		c.Service = "smtp"
	}
	if c.Host == "" {
		c.Host = "localhost"
	}
	peer := auth.NewPeer(saslkit.PeerConfig{
		Service: c.Service, Realm: c.Realm, HostNames: c.HostNames,
		Channel: func() saslkit.Channel { return c.Channel },
	})
	defer peer.Close()
	server, err := peer.Start(c.Mechanism)
	if err != nil {
		return saslkit.Result{}, mech.AsError(err).Detailed()
	}
	client, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: c.Credentials,
		Mechanisms:  []string{c.Mechanism},
		Policy:      mech.Policy{Clear: mech.AnyMechanism, TLS: mech.AnyMechanism},
		Channel:     c.Channel,
		Service:     c.Service,
		Host:        c.Host,
	})
	if err != nil {
		return saslkit.Result{}, err
	}
	if err := converse(client, server); err != nil {
		return saslkit.Result{}, err
	}
	if err := client.Finish(); err != nil {
		return saslkit.Result{}, err
	}
	result, ok := peer.Result()
	if !ok {
		return saslkit.Result{}, fmt.Errorf("saslkittest: %s ended without a result", c.Mechanism)
	}
	return result, nil
}

// converse carries messages as SMTP and IMAP do: an initial response that the
// mechanism has goes with the first message.
func converse(client *saslkit.ClientExchange, server *saslkit.Exchange) error {
	_, response, err := client.Start()
	if err != nil {
		return err
	}
	for range maxSteps {
		challenge, done, err := server.Next(response)
		switch {
		case err != nil:
			return mech.AsError(err).Detailed()
		case done:
			return nil
		}
		if response, err = client.Next(challenge); err != nil {
			return err
		}
	}
	return fmt.Errorf("saslkittest: %s does not end", client.Mechanism())
}
