package saslkit_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
)

// A lineServer is a POP3 server written by hand, as far as AUTH (RFC 5034) goes.
type lineServer struct {
	peer *saslkit.Peer
	in   *bufio.Scanner // its buffer bounds a line: RFC 4954 section 4 wants 12,288 bytes
	out  io.Writer
}

// auth is the command "AUTH MECHANISM [INITIAL-RESPONSE]".
func (s *lineServer) auth(arguments string) error {
	if _, in := s.peer.Result(); in {
		return errors.New("somebody is logged in already")
	}
	mechanism, initial, given := strings.Cut(arguments, " ")
	exchange, err := s.peer.Start(mechanism) // refuses what is not offered on this channel
	if err != nil {
		return err
	}
	var response []byte // nil: there is none
	switch {
	case given && initial == "=":
		response = []byte{} // there is one, and it is empty
	case given:
		if response, err = decoded(initial); err != nil {
			return err
		}
	}
	for {
		challenge, done, err := exchange.Next(response)
		if err != nil || done {
			return err
		}
		fmt.Fprintf(s.out, "+ %s\r\n", base64.StdEncoding.EncodeToString(challenge))
		if !s.in.Scan() {
			return io.ErrUnexpectedEOF
		}
		if s.in.Text() == "*" {
			return errors.New("cancelled") // the next Start, or Close, counts it as a failure
		}
		if response, err = decoded(s.in.Text()); err != nil {
			return err
		}
	}
}

// decoded is never nil: an empty line is an empty response.
func decoded(text string) ([]byte, error) {
	response, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("not base64")
	}
	return response, nil
}

// reply is what the client is told: of an Error its class, by the table, and no cause.
func (s *lineServer) reply(err error) {
	var e *saslkit.Error
	switch {
	case err == nil:
		fmt.Fprint(s.out, "+OK\r\n")
	case errors.As(err, &e):
		code, text := e.POP3()
		if code != "" {
			text = "[" + code + "] " + text
		}
		fmt.Fprintf(s.out, "-ERR %s\r\n", text)
	default:
		fmt.Fprintf(s.out, "-ERR %v\r\n", err)
	}
}

// A protocol of lines that no library serves: base64, the empty response and the end of
// an exchange are the host's; what is offered and who is logged in is the peer's.
func ExampleExchange() {
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}}
	if err := auth.Validate(); err != nil {
		log.Fatal(err)
	}
	peer := auth.NewPeer(saslkit.PeerConfig{
		Service: "pop3",
		Channel: func() saslkit.Channel { return saslkit.Channel{Secure: true} }, // saslkit.ServerConn(conn, certificate)
	})
	defer peer.Close() // of this connection alone

	client := "AUTH PLAIN\r\n" + "AGFsaWNlAGNyYXlvbg==\r\n" +
		"AUTH LOGIN\r\n" + "*\r\n" +
		"AUTH PLAIN AGFsaWNlAHBlbmNpbA==\r\n"
	var out strings.Builder
	s := &lineServer{peer: peer, in: bufio.NewScanner(strings.NewReader(client)), out: &out}
	for s.in.Scan() {
		s.reply(s.auth(strings.TrimPrefix(s.in.Text(), "AUTH ")))
	}
	fmt.Print(strings.NewReplacer(" \r\n", "\n", "\r", "").Replace(out.String()))
	who, _ := peer.Result()
	fmt.Println(who.Name())
	// Output:
	// +
	// -ERR [AUTH] Authentication failed
	// + VXNlcm5hbWU6
	// -ERR cancelled
	// +OK
	// alice
}
