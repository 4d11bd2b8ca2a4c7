package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// A mailProtocol frames the messages of SASL as SMTP, IMAP and others do. Its errors are
// loginErrors.
type mailProtocol interface {
	// greet reads the greeting.
	greet() error
	// ask asks what the server can do. What was known before is forgotten.
	ask() error
	// startTLS asks for TLS; then wire.secure begins it.
	startTLS() error
	// offered lists the mechanisms, never nil.
	offered() []string
	// hint adds to the news that no mechanism can be used; "" for nothing.
	hint() string
	// begin sends the command. The initial response, in base64, is sent with it
	// if there is one and the server takes it; sent says so.
	begin(mechanism, initial, shown string) (sent bool, err error)
	// respond sends a response, in base64. It is traced as shown.
	respond(encoded, shown string) error
	// cancel breaks the exchange off; an answer may follow.
	cancel() error
	// await reads the server's answer to the command or to a response.
	await() (reply, error)
	// quit says goodbye, without caring for the answer.
	quit()
}

// A reply is a server's answer within an exchange.
type reply struct {
	kind replyKind
	word string // what stands before a challenge: "334", "+"
	text string // of a challenge: its base64; else what the server says
	// final is a last message in base64 that comes with acceptance, if there is one.
	final    string
	hasFinal bool
}

type replyKind uint8

const (
	challenged replyKind = iota
	accepted
	refused
	unavailable // a refusal for now
)

// maxRounds bounds the challenges of one exchange, as the server side does.
const maxRounds = 12

// exchange carries the messages until the server says yes or no, and returns
// what it said.
func (l *login) exchange(p mailProtocol, w *wire, client *saslkit.ClientExchange) (string, error) {
	x := &clientExchange{protocol: p, wire: w, client: client, mechanism: client.Mechanism()}
	if err := x.begin(); err != nil {
		return "", err
	}
	for range maxRounds {
		answer, err := p.await()
		if err != nil {
			return "", err
		}
		text := l.trace.clean(answer.text)
		switch answer.kind {
		case accepted:
			return text, x.accept(answer)
		case refused:
			return text, &loginError{"refused", exitNo, x.refusal(text)}
		case unavailable:
			return text, &loginError{"unavailable", exitUntried, errors.New("the server says: " + text)}
		}
		if err := x.answer(answer); err != nil {
			return "", err
		}
	}
	return "", badServer("the server does not come to an end after %d challenges", maxRounds)
}

// refusal is what the server says, and what it has said about a token before.
func (x *clientExchange) refusal(text string) error {
	var token *verifier.TokenError
	if errors.As(x.client.Finish(), &token) {
		text += fmt.Sprintf("; of the token: status %.64q", token.Status)
		if token.Scope != "" {
			text += fmt.Sprintf(", scope %.200q", token.Scope)
		}
		if token.Configuration != "" {
			text += fmt.Sprintf(", configuration %.200q", token.Configuration)
		}
	}
	return errors.New("the server says: " + text)
}

// A clientExchange is the state of one exchange between a mechanism and a wire.
type clientExchange struct {
	protocol  mailProtocol
	wire      *wire
	client    *saslkit.ClientExchange
	mechanism string
	initial   []byte // not sent yet; nil if there is none or it was sent
	sent      int    // messages of ours
}

func (x *clientExchange) begin() error {
	_, initial, err := x.client.Start()
	if err != nil {
		return &loginError{"no-mechanism", exitUntried, errors.New(mech.AsError(err).Detail())}
	}
	if initial == nil {
		_, err := x.protocol.begin(x.mechanism, "", "")
		return err
	}
	encoded := base64.StdEncoding.EncodeToString(initial)
	if encoded == "" {
		encoded = "=" // empty, and not absent (RFC 4954 section 4, RFC 4959 section 3)
	}
	sent, err := x.protocol.begin(x.mechanism, encoded, x.wire.trace.response(x.mechanism, 0, initial))
	if sent {
		x.sent++
	} else {
		x.initial = initial
	}
	return err
}

// answer answers a challenge. What stands in the one that only asks for the
// initial response does not matter.
func (x *clientExchange) answer(challenge reply) error {
	response := x.initial
	if response == nil {
		message, err := decodeChallenge(challenge.text)
		if err != nil {
			x.wire.trace.server(challenge.word + " " + challenge.text)
			return x.cancel(badServer("a challenge of the server is not base64"))
		}
		x.wire.trace.challenge(challenge.word, x.mechanism, message)
		if response, err = x.client.Next(message); err != nil {
			failure := mech.AsError(err)
			return x.cancel(badServer("%s (%s)", failure.Class, failure.Detail()))
		}
	}
	number := x.sent
	x.initial = nil
	x.sent++
	return x.protocol.respond(base64.StdEncoding.EncodeToString(response), x.wire.trace.response(x.mechanism, number, response))
}

// cancel breaks the exchange off for a reason, which it returns.
func (x *clientExchange) cancel(reason error) error {
	if err := x.protocol.cancel(); err == nil {
		if answer, err := x.protocol.await(); err == nil && answer.kind == accepted {
			return badServer("%w; and then it said yes to a cancelled login", reason)
		}
	}
	return reason
}

// accept takes what comes with a yes, and the yes.
func (x *clientExchange) accept(answer reply) error {
	if answer.hasFinal {
		message, err := decodeChallenge(answer.final)
		if err != nil {
			return badServer("what the server sends with its yes is not base64")
		}
		x.wire.trace.challenge(answer.text, x.mechanism, message)
		if _, err := x.client.Next(message); err != nil {
			failure := mech.AsError(err)
			return badServer("%s (%s)", failure.Class, failure.Detail())
		}
	}
	return x.finish()
}

// finish decides whether a yes is to be believed. A server that knows the
// password can prove it where the mechanism lets it, and none can have checked
// what was never sent.
func (x *clientExchange) finish() error {
	if x.sent == 0 {
		return badServer("the server says yes to %s before anything was sent", x.mechanism)
	}
	if err := x.client.Finish(); err != nil {
		return badServer("the server says yes but %s", strings.TrimPrefix(mech.AsError(err).Class.String(), "the server "))
	}
	shown := x.client.Assurance()
	if shown.ServerProven {
		x.wire.trace.note("the server has proven that it knows the password")
	}
	if shown.Binding != "" {
		x.wire.trace.note("the login is bound to the channel by %s", shown.Binding)
	}
	return nil
}

// decodeChallenge decodes strictly. A lone "=" is how some servers write an
// empty challenge.
func decodeChallenge(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}
