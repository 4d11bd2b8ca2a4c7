package saslkit_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// A contest is one exchange between our client and our server with somebody
// between them who edits what they say. It is made from a script, so that the same
// script makes the same contest but for the nonces.
type contest struct {
	*pairing
	who    *identity
	server serverSide
	client clientSide
	edits  []edit

	carriesEnd bool // the server's data of success comes with success
	asks       bool // the client's first message is asked for with an empty challenge
	doomed     bool // by what surrounds the messages: it must not end well

	told, heard []turn // the server's and the client's side of it
	accepted    int    // turns of the server up to its decision; 0: it did not let in
	result      saslkit.Result
	finish      error // of the client, once the protocol is said to have succeeded
	delivered   int
	touched     bool // an edit changed something
	broke       bool // the client broke off
	refused     bool // the server did
	faults      []string
}

// A turn is what one side got and what it then sent. Nil: nothing.
type turn struct{ got, sent []byte }

// A serverSide is an Exchange, or what passes for one.
type serverSide interface {
	step(response []byte) (data []byte, state mech.State, err error)
	result() (saslkit.Result, bool)
}

// A clientSide is a ClientExchange, or what passes for one.
type clientSide interface {
	Start() (mechanism string, initial []byte, err error)
	Next(challenge []byte) ([]byte, error)
	Finish() error
}

// realServer is an Exchange and its Peer.
type realServer struct {
	peer       *saslkit.Peer
	exchange   *saslkit.Exchange
	carriesEnd bool
}

func (s *realServer) result() (saslkit.Result, bool) { return s.peer.Result() }

func (s *realServer) step(response []byte) ([]byte, mech.State, error) {
	if s.carriesEnd {
		o := s.exchange.Step(response)
		if o.Err == nil {
			return o.Data, o.State, nil
		}
		return o.Data, o.State, o.Err
	}
	challenge, done, err := s.exchange.Next(response)
	switch {
	case err != nil:
		return nil, saslkit.Failed, err
	case done:
		return challenge, saslkit.Done, nil
	}
	return challenge, saslkit.More, nil
}

// maxTurns bounds a contest: both sides together have at most 12 steps, and the one
// between them says something of his own a few times.
const maxTurns = 40

func (c *contest) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// play runs the contest to its end and judges it.
func (c *contest) play() {
	_, response, err := c.client.Start()
	if err != nil {
		c.fault("the client does not start: %v", err)
		return
	}
	c.heard = append(c.heard, turn{sent: response})
	if c.asks && response != nil {
		if data, state := c.tell(nil); state != saslkit.More || len(data) != 0 {
			c.fault("without an initial response the server comes to %d with %q", state, data)
		}
	}
	for turns := 0; ; turns++ {
		if turns == maxTurns {
			c.fault("the exchange does not end")
			return
		}
		challenge, more := c.toServer(response)
		if !more {
			break
		}
		if response, more = c.toClient(challenge); !more {
			break
		}
	}
	c.end()
	c.judge()
}

// toServer passes a response on and returns what the client is to be told, and
// whether there is anything.
func (c *contest) toServer(response []byte) (challenge []byte, more bool) {
	if c.refused || c.over() {
		return c.lie()
	}
	response, how := c.edit(true, response)
	switch how {
	case opDrop:
		return []byte{}, true
	case opTwice:
		c.tell(response)
		if c.refused || c.over() {
			return c.lie()
		}
	}
	challenge, state := c.tell(response)
	switch {
	case state == saslkit.Failed:
		return c.lie()
	case state == saslkit.Done:
		return challenge, challenge != nil
	}
	return challenge, true
}

// over reports whether somebody is logged in, after which the server takes nothing
// more.
func (c *contest) over() bool {
	_, ok := c.server.result()
	return ok
}

// tell lets the server take a step.
func (c *contest) tell(response []byte) ([]byte, mech.State) {
	data, state, err := c.server.step(response)
	c.told = append(c.told, turn{bytes.Clone(response), bytes.Clone(data)})
	var e *saslkit.Error
	switch {
	case state == saslkit.Failed && (!errors.As(err, &e) || e.Class == 0 || e.Code == "panic"):
		c.fault("the server failed with %#v", err)
	case state != saslkit.Failed && err != nil:
		c.fault("the server comes to %d with %v", state, err)
	}
	switch state {
	case saslkit.Failed:
		c.refused = true
	case saslkit.Done:
		if c.accepted == 0 {
			c.accepted = len(c.told)
			if c.who.final && !c.carriesEnd {
				c.accepted-- // decided before the answer to its last words
			}
		}
	}
	return data, state
}

// lie is what a client hears that should have heard of a failure, or of the end:
// the server's message of an earlier exchange.
func (c *contest) lie() ([]byte, bool) {
	old := c.who.challenges
	if i := len(c.heard) - 1; !c.broke && c.refused && i < len(old) {
		c.touched = true
		return old[i], true
	}
	return nil, false
}

// toClient passes a challenge on and returns what the server is to be told, and
// whether there is anything.
func (c *contest) toClient(challenge []byte) (response []byte, more bool) {
	if c.broke {
		return c.impersonate()
	}
	challenge, how := c.edit(false, challenge)
	switch how {
	case opEnd:
		return nil, false
	case opDrop:
		return bytes.Clone(c.heard[len(c.heard)-1].sent), !c.over()
	case opTwice:
		c.answer(challenge)
	}
	if !c.broke {
		response = c.answer(challenge)
	}
	if c.broke {
		return c.impersonate()
	}
	return response, !c.over()
}

// answer lets the client take a step.
func (c *contest) answer(challenge []byte) []byte {
	response, err := c.client.Next(challenge)
	if err != nil {
		c.broke = true
		return nil
	}
	if response == nil {
		c.fault("the client answers %q with nil", challenge)
	}
	c.heard = append(c.heard, turn{bytes.Clone(challenge), bytes.Clone(response)})
	return response
}

// impersonate goes on after the client broke off, with its messages of an earlier
// exchange.
func (c *contest) impersonate() ([]byte, bool) {
	if c.over() || c.refused || len(c.told) >= maxTurns/2 {
		return nil, false
	}
	c.touched = true
	old := c.who.responses
	i := len(c.told)
	if c.asks {
		i--
	}
	if i < len(old) {
		return old[i], true
	}
	return []byte{}, true
}

// end says to the client that the protocol reported success, true or not, and sees
// that what is over stays so.
func (c *contest) end() {
	var ok bool
	if c.result, ok = c.server.result(); ok != (c.accepted > 0 && c.over()) || ok && c.refused {
		c.fault("there is a result: %v; the server let somebody in: %v", ok, c.accepted > 0)
	}
	c.finish = c.client.Finish()
	if c.broke && c.finish == nil {
		c.fault("the client broke off and is content")
	}
	if !ok && !c.refused {
		return // it still waits
	}
	if data, state, err := c.server.step(nil); state != saslkit.Failed || !errors.Is(err, saslkit.ErrExchangeOver) {
		c.fault("after the end the server comes to %d with %q, %v", state, data, err)
	}
	if again, still := c.server.result(); still != ok || again.User != c.result.User || again.Authzid != c.result.Authzid {
		c.fault("after the end there is another result")
	}
}

// edit applies the edits of the message that is about to be delivered. What they do
// to the message is done; what they do with it is returned.
func (c *contest) edit(fromClient bool, m []byte) ([]byte, op) {
	number, how := c.delivered, opKeep
	c.delivered++
	edited := m
	for _, e := range c.edits {
		if int(e.at)%c.who.deliveries != number {
			continue
		}
		switch e.op {
		case opDrop, opTwice, opEnd:
			if e.op != opEnd || !fromClient {
				how, c.touched = e.op, true
			}
		default:
			edited = c.apply(e, fromClient, edited)
		}
	}
	if !bytes.Equal(m, edited) || (m == nil) != (edited == nil) {
		c.touched = true
	}
	return edited, how
}

// String shows the contest for a failure.
func (c *contest) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s with %v, %q as %q, end carried %v, asked %v, doomed %v\n", c.row.Name, c.kind, c.who.username, c.who.authzid, c.carriesEnd, c.asks, c.doomed)
	for _, e := range c.edits {
		fmt.Fprintf(&b, "  edit of message %d: %v\n", int(e.at)%c.who.deliveries, e)
	}
	for _, t := range c.heard {
		fmt.Fprintf(&b, "  client got %s, sent %s\n", shown(t.got), shown(t.sent))
	}
	for _, t := range c.told {
		fmt.Fprintf(&b, "  server got %s, sent %s\n", shown(t.got), shown(t.sent))
	}
	fmt.Fprintf(&b, "  accepted at turn %d, result %+v, client broke off %v, Finish: %v", c.accepted, c.result, c.broke, c.finish)
	return b.String()
}

func shown(m []byte) string {
	if m == nil {
		return "nothing"
	}
	if len(m) > 1000 {
		return hex.EncodeToString(m[:500]) + "…"
	}
	return fmt.Sprintf("%q", m)
}
