package main

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// A site is a server with its store, a client, and the TLS connection between them.
type site struct {
	*witness
	auth     *saslkit.Authenticator
	peer     saslkit.PeerConfig
	client   saslkit.ClientConfig
	channels *channels
}

// record logs in by a mechanism and returns what happened.
func (s scenario) record(mechanism string) (recording, error) {
	m := rowOf(mechanism)
	if m == nil || grammarOf(mechanism) == nil {
		return nil, fmt.Errorf("diagram: %s: no mechanism, or no grammar in reading.go", mechanism)
	}
	x, err := newSite(m)
	if err != nil {
		return nil, err
	}
	defer x.channels.close()
	c := &x.client.Credentials
	c.Password = cmp.Or(s.credentials.Password, c.Password)
	if s.credentials.Token != nil {
		c.Token = s.credentials.Token
	}
	converse := x.smtp
	if m == mech.APOP {
		converse = x.pop3
	}
	if s.again {
		if err := converse(); err != nil {
			return nil, fmt.Errorf("diagram: %s: first login: %w", s.name, err)
		}
		x.events = nil
	}
	if err := converse(); err != nil {
		return nil, fmt.Errorf("diagram: %s: %w", s.name, err)
	}
	return x.events, nil
}

func newSite(m *mech.Mechanism) (*site, error) {
	x := &site{witness: new(witness)}
	held, err := newStore(x.witness, m)
	if err != nil {
		return nil, err
	}
	if x.channels, err = newChannels(); err != nil {
		return nil, err
	}
	anything := mech.Policy{TLS: mech.AnyMechanism} // ANONYMOUS too
	x.auth = &saslkit.Authenticator{
		Verifier: held, Tokens: issuer{x.witness},
		Mechanisms: []string{m.Name}, Policy: anything,
		NonceLife: time.Hour,
	}
	x.peer = saslkit.PeerConfig{
		Service: "smtp", HostNames: []string{sampleHost},
		Realm: realm.Policy{Default: sampleRealm},
	}
	x.client = saslkit.ClientConfig{
		Credentials: saslkit.Credentials{
			Username: sampleUser, Password: samplePassword,
			Trace: "a sample", Token: mech.FixedToken(sampleToken),
		},
		Mechanisms: []string{m.Name}, Policy: anything,
		Previous: new(mech.Previous),
		Service:  "smtp", Host: sampleHost, Port: 587,
	}
	x.connect(m)
	return x, nil
}

// connect gives both sides their end of the connection: something to bind to only for
// mechanisms that do, as behind a proxy that ends TLS.
func (x *site) connect(m *mech.Mechanism) {
	ours, theirs := x.channels.server, x.channels.client
	if !m.Binds {
		ours.Binding, theirs.Binding = nil, nil
	}
	if m.Need != mech.NeedExternal {
		ours.External, theirs.External = "", ""
	}
	x.client.Channel = theirs
	x.peer.Channel = func() saslkit.Channel {
		if ours.External != "" {
			x.note(asks, "Channel")
			x.note(answers, "External: "+ours.External, "by the client's certificate")
		}
		return ours
	}
}

// maxSteps bounds a login, should it never end.
const maxSteps = 20

// smtp logs in as RFC 4954 has it: base64 in lines, data that belongs to success as one
// more challenge. It fails if a side breaks off.
func (x *site) smtp() error {
	peer := x.auth.NewPeer(x.peer)
	defer peer.Close()
	x.client.Offered = peer.AuthMechanisms()
	x.note(server, "250 AUTH "+strings.Join(x.client.Offered, " "))
	login, err := saslkit.NewClient(x.client)
	if err != nil {
		return errors.New(mech.AsError(err).Detail())
	}
	name, response, err := login.Start()
	if err != nil {
		return err
	}
	x.note(client, authLine(name, response))
	exchange, err := peer.Auth(name)
	if err != nil {
		return err
	}
	for range maxSteps {
		challenge, done, err := exchange.Next(response)
		if done || err != nil {
			return x.endSMTP(peer, login, err)
		}
		x.note(server, "334 "+base64.StdEncoding.EncodeToString(challenge))
		if response, err = login.Next(challenge); err != nil {
			return err
		}
		x.note(client, base64.StdEncoding.EncodeToString(response))
	}
	return errors.New("it does not end")
}

// authLine is the command. An initial response that is empty is "=".
func authLine(name string, response []byte) string {
	switch {
	case response == nil:
		return "AUTH " + name
	case len(response) == 0:
		return "AUTH " + name + " ="
	}
	return "AUTH " + name + " " + base64.StdEncoding.EncodeToString(response)
}

// endSMTP notes what both sides make of the end.
func (x *site) endSMTP(peer *saslkit.Peer, login *saslkit.ClientExchange, failure error) error {
	if failure != nil {
		refused := mech.AsError(failure)
		x.note(serverEnds, "nobody is logged in", "log: "+refused.Detail())
		code, enhanced, text := refused.SMTP()
		x.note(server, fmt.Sprintf("%d %d.%d.%d %s", code, enhanced[0], enhanced[1], enhanced[2], text))
		x.note(clientEnds, append([]string{"not logged in"}, explanation(login.Finish())...)...)
		return nil
	}
	x.noteResult(peer)
	x.note(server, "235 2.7.0 Authentication succeeded")
	if err := login.Finish(); err != nil {
		return err
	}
	shown := login.Assurance()
	lines := []string{"Finish: success", "the server has proven nothing"}
	if shown.ServerProven {
		lines[1] = "the server has proven that it knows the secret"
	}
	if shown.Binding != "" {
		lines = append(lines, "bound to the connection by "+shown.Binding)
	}
	x.note(clientEnds, lines...)
	return nil
}

// explanation is what the client knows beside the reply.
func explanation(err error) []string {
	var refused *verifier.TokenError
	switch {
	case errors.As(err, &refused):
		return []string{"Finish: " + refused.Error(), "scope that would do: " + refused.Scope}
	case err != nil:
		return []string{"the server has not proven anything either"}
	}
	return nil
}

// noteResult notes who is logged in.
func (x *site) noteResult(peer *saslkit.Peer) {
	result, _ := peer.Result()
	lines := []string{"logged in: " + result.Name()}
	if result.Binding != "" {
		lines = append(lines, "bound to the connection by "+result.Binding)
	}
	if result.Trace != "" {
		lines = append(lines, "says of itself: "+result.Trace)
	}
	if result.OTPLeft != 0 {
		lines = append(lines, fmt.Sprintf("good for %d logins more", result.OTPLeft))
	}
	x.note(serverEnds, lines...)
}

// pop3 logs in by APOP.
func (x *site) pop3() error {
	x.peer.Service = "pop3"
	peer := x.auth.NewPeer(x.peer)
	defer peer.Close()
	greeting := "+OK ready " + peer.APOPTimestamp()
	x.note(server, greeting)
	command, err := mech.APOPCommand(greeting, x.client.Credentials)
	if err != nil {
		return err
	}
	x.note(client, command)
	words := strings.Split(command, " ")
	if err := peer.APOP(words[1], words[2]); err != nil {
		return err
	}
	x.noteResult(peer)
	x.note(server, "+OK logged in")
	x.note(clientEnds, "success", "the server has proven nothing")
	return nil
}
