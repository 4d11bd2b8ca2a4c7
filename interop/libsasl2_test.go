package interop

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
)

// libsasl2 is what a C program that runs Cyrus SASL's server links.
var libsasl2 = peers.Library{Header: "sasl/sasl.h", Link: "sasl2", DebianPackage: "libsasl2-dev"}

// A libsasl2Server is the server half of Cyrus SASL over a sasldb2, without a
// protocol around it, so that it can be told of a channel binding. It takes one
// login at a time.
type libsasl2Server struct {
	in  io.Writer
	out *bufio.Reader
}

// newLibsasl2Server runs the server until the test ends.
func newLibsasl2Server(t testing.TB, sasldb string) *libsasl2Server {
	t.Helper()
	needCyrusModules(t)
	in, out := peers.Start(t, peers.Compile(t, "testdata/libsasl2_server.c", libsasl2), sasldb, labRealm)
	return &libsasl2Server{in, out}
}

// A libsasl2Refusal is an answer "failed" of the program.
type libsasl2Refusal struct {
	code   int // SASL_BADAUTH is -13
	detail string
}

func (r *libsasl2Refusal) Error() string { return fmt.Sprintf("libsasl2: %d %s", r.code, r.detail) }

// server begins a login on the server.
func (s *libsasl2Server) server(mechanism string, b binding) foreignServer {
	command := fmt.Sprintf("start %s - -", mechanism)
	if b.name != "" {
		command = fmt.Sprintf("start %s %s %s", mechanism, b.name, b64(string(b.data)))
	}
	return func(response []byte) (challenge []byte, done bool, err error) {
		if _, err := fmt.Fprintln(s.in, command, message64(response)); err != nil {
			return nil, false, err
		}
		command = "step"
		line, err := s.out.ReadString('\n')
		if err != nil {
			return nil, false, err
		}
		return libsasl2Answer(strings.Fields(line))
	}
}

// message64 is a message as a word.
func message64(message []byte) string {
	if len(message) == 0 {
		return "-"
	}
	return base64.StdEncoding.EncodeToString(message)
}

func libsasl2Answer(words []string) (challenge []byte, done bool, err error) {
	if len(words) < 2 {
		return nil, false, fmt.Errorf("libsasl2_server says %q", words)
	}
	switch words[0] {
	case "more", "done":
		last := words[len(words)-1]
		if last == "-" {
			return nil, words[0] == "done", nil
		}
		challenge, err = base64.StdEncoding.DecodeString(last)
		return challenge, words[0] == "done", err
	}
	r := &libsasl2Refusal{detail: strings.Join(words[2:], " ")}
	if _, err := fmt.Sscan(words[1], &r.code); err != nil {
		return nil, false, fmt.Errorf("libsasl2_server says %q", words)
	}
	return nil, false, r
}
