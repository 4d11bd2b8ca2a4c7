package mech

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// APOP, RFC 1939 section 7: a command of POP3 and no SASL mechanism. The greeting ends
// with a timestamp of the form of a message id; the client answers with its name and
// MD5(timestamp, password) in hex. The password must be known to the server.
//
// It hides the password from listeners but not from a dictionary, and it does not
// authenticate the server: one that may choose timestamps finds, by collisions of MD5,
// the first characters of a password (CVE-2007-1558), unless clients insist on the form.

// APOP is a row that is not in the table, since it is not advertised as a mechanism: a
// site that names it in its mech_list has the greeting of POP3 with a timestamp. Its
// server takes the timestamp, the name and the digest as three responses.
var APOP = &Mechanism{
	Name:        "APOP",
	Provides:    NoPlaintext | NoAnonymous,
	Need:        NeedSecret,
	Secrets:     []verifier.Kind{verifier.KindPassword},
	OnlyIfNamed: true,
	MaxResponse: maxNameLimit,
	server:      newAPOPServer,
}

// NewAPOPTimestamp returns one that nobody has seen: 128 random bits and the name of
// the host, "localhost" if that is "".
func NewAPOPTimestamp(host string) string {
	if host == "" {
		return newCRAMChallenge(nil)
	}
	return newCRAMChallenge([]string{host})
}

type apopServer struct {
	server[apopServer]
	timestamp, name string
}

func newAPOPServer(base serverBase) Server {
	s := new(apopServer)
	s.begin(s, base, (*apopServer).awaitTimestamp)
	return s
}

// awaitTimestamp takes what the host's own greeting had.
func (s *apopServer) awaitTimestamp(_ context.Context, timestamp []byte) ([]byte, state[apopServer], error) {
	if _, ok := apopTimestamp(string(timestamp)); !ok {
		return nil, nil, malformed("protocol", errNoTimestamp)
	}
	s.timestamp = string(timestamp)
	return nil, (*apopServer).awaitName, nil
}

func (s *apopServer) awaitName(_ context.Context, name []byte) (_ []byte, _ state[apopServer], err error) {
	s.name, err = s.prepareName(string(name))
	return nil, (*apopServer).awaitDigest, err
}

func (s *apopServer) awaitDigest(ctx context.Context, digest []byte) ([]byte, state[apopServer], error) {
	if len(digest) != 2*md5.Size || !lowerHex.Holds(string(digest)) {
		return nil, nil, malformed("malformed", errors.New("mech: APOP: expected 32 lower-case hex digits"))
	}
	held, lookup := s.LookupSecret(ctx, s.name, "", s.row.Secrets)
	if !verifier.Answered(lookup) {
		return nil, nil, lookup
	}
	want := apopDigest(s.timestamp, string(held.Value))
	if err := verifier.Conclude(lookup, secret.Equal(digest, want)); err != nil {
		return nil, nil, err
	}
	return nil, nil, s.finish(ctx, held.Account, s.name, "")
}

func apopDigest(timestamp, password string) string {
	sum := md5.Sum([]byte(timestamp + saslprep.Password(password)))
	return hex.EncodeToString(sum[:])
}

var errNoTimestamp = errors.New("mech: APOP: the greeting has no timestamp of the form <name@host>")

// maxAPOPTimestamp bounds a timestamp in bytes: POP3's lines have no more (RFC 2449
// section 4).
const maxAPOPTimestamp = 512

// apopTimestamp finds the timestamp in a greeting: printable ASCII without spaces, one
// at sign, between angle brackets. RFC 822 would permit more, which no server sends and
// collisions of MD5 need.
func apopTimestamp(greeting string) (timestamp string, ok bool) {
	start := strings.IndexByte(greeting, '<')
	if start < 0 {
		return "", false
	}
	length := strings.IndexByte(greeting[start:], '>') + 1
	if length < len("<a@b>") || length > maxAPOPTimestamp {
		return "", false
	}
	timestamp = greeting[start : start+length]
	name, host, _ := strings.Cut(timestamp[1:length-1], "@")
	if name == "" || host == "" || strings.ContainsAny(host, "@<") || !otpWord.Holds(timestamp) || strings.Contains(name, "<") {
		return "", false
	}
	return timestamp, true
}

// APOPCommand is the command with which a client logs in to a server of POP3 that has
// sent this greeting. Without a timestamp of the right form there is none: the server
// has no APOP, or somebody else sent the greeting. A server that knows no password says
// nothing about itself by accepting the command.
//
// Whoever listens can try passwords on it: it is for connections without TLS to servers
// that have nothing better.
func APOPCommand(greeting string, c Credentials) (string, error) {
	timestamp, ok := apopTimestamp(greeting)
	if !ok {
		return "", malformed("malformed", errNoTimestamp)
	}
	if err := (&client{ClientConfig: &ClientConfig{Credentials: c}}).checkOwnCredentials("APOP"); err != nil {
		return "", err
	}
	if strings.ContainsAny(c.Username, " \t") {
		return "", malformed("malformed", fmt.Errorf("mech: APOP: a user name holds no blanks"))
	}
	return "APOP " + c.Username + " " + apopDigest(timestamp, c.Password), nil
}
