package mech

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/internal/md5secret"
	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// CRAM-MD5, RFC 2195. The server sends a fresh challenge; the client answers
// with its name and HMAC-MD5(password, challenge) in hex. The password must be
// known to the server, or its two half-finished HMAC states (KindCRAMMD5).
//
// It hides the password from listeners but not from a dictionary, and it does
// not authenticate the server. New deployments want SCRAM.

// CRAMMD5 proves with a hash that the client knows the password (RFC 2195). Servers need
// the password, or what [CRAMMD5Secret] makes of it. It does not prove the server, and who
// listens can search for the password. It is offered only by name.
var CRAMMD5 = &Mechanism{
	Name:        "CRAM-MD5",
	Provides:    NoPlaintext | NoAnonymous,
	Need:        NeedSecret,
	Secrets:     []verifier.Kind{verifier.KindCRAMMD5, verifier.KindPassword},
	OnlyIfNamed: true,
	ServerFirst: true,
	// The longest name that any configuration may allow, a space, 32 digits.
	// The limit in force is checked on the parsed name.
	MaxResponse: maxNameLimit + 1 + 2*md5.Size,
	server:      newCRAMMD5Server,
	client:      newCRAMMD5Client,
}

type cramMD5Server struct {
	server[cramMD5Server]
	challenge string
}

func newCRAMMD5Server(base serverBase) Server {
	s := new(cramMD5Server)
	s.begin(s, base, (*cramMD5Server).awaitStart)
	return s
}

// awaitStart refuses an initial response, also an empty one: there is nothing
// yet to respond to (RFC 4954 section 4).
func (s *cramMD5Server) awaitStart(_ context.Context, response []byte) ([]byte, state[cramMD5Server], error) {
	if response != nil {
		return nil, nil, malformed("protocol", errors.New("mech: CRAM-MD5 has no initial response"))
	}
	if s.nonce != nil {
		s.challenge = s.nonce()
	} else {
		s.challenge = newCRAMChallenge(s.HostNames)
	}
	return []byte(s.challenge), (*cramMD5Server).awaitResponse, nil
}

// newCRAMChallenge has the form of a message id (RFC 822), as RFC 2195 section 2
// asks, with 128 random bits where the RFC has a number and a time.
func newCRAMChallenge(hosts []string) string {
	var b [16]byte
	rand.Read(b[:])
	host := "localhost"
	if len(hosts) > 0 {
		host = hosts[0]
	}
	challenge := strconv.AppendUint([]byte{'<'}, binary.BigEndian.Uint64(b[:8]), 10)
	challenge = strconv.AppendUint(append(challenge, '.'), binary.BigEndian.Uint64(b[8:]), 10)
	return string(append(challenge, "@"+host+">"...))
}

func (s *cramMD5Server) awaitResponse(ctx context.Context, response []byte) ([]byte, state[cramMD5Server], error) {
	m, err := parseCRAMMD5(response)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	name, err := s.prepareName(m.user)
	if err != nil {
		return nil, nil, err
	}
	held, lookup := s.LookupSecret(ctx, name, "", s.row.Secrets)
	if !verifier.Answered(lookup) {
		return nil, nil, lookup
	}
	want, err := cramMD5Digest(held, s.challenge)
	if err != nil {
		return nil, nil, err
	}
	if err := verifier.Conclude(lookup, secret.Equal(m.digest, want)); err != nil {
		return nil, nil, err
	}
	return nil, nil, s.finish(ctx, held.Account, name, "")
}

type cramMD5Message struct{ user, digest string }

// parseCRAMMD5 reads user SP 32*LHEX. The user may hold spaces: the last one
// counts.
func parseCRAMMD5(b []byte) (cramMD5Message, error) {
	const message = "CRAM-MD5 response"
	space := bytes.LastIndexByte(b, ' ')
	if space < 1 {
		return cramMD5Message{}, &SyntaxError{Message: message, Offset: len(b), Reason: "expected a name and a space"}
	}
	c := cursor.New(b[space+1:])
	digest := c.While(lowerHex)
	if err := c.Err(message); err != nil || len(digest) != 2*md5.Size {
		return cramMD5Message{}, &SyntaxError{Message: message, Offset: space + 1 + len(digest), Reason: "expected 32 lower-case hex digits"}
	}
	return cramMD5Message{user: string(b[:space]), digest: digest}, nil
}

func (m cramMD5Message) append(b []byte) []byte {
	return append(append(append(b, m.user...), ' '), m.digest...)
}

var lowerHex = cursor.SetOf(func(b byte) bool { return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' })

// cramMD5Digest is the digest that the holder of the secret would send.
func cramMD5Digest(held verifier.Secret, challenge string) (string, error) {
	if held.Kind == verifier.KindCRAMMD5 {
		digest, ok := md5secret.CRAMMD5Digest(held.Value, challenge)
		if !ok {
			return "", &verifier.ContractError{Rule: "CRAM-MD5 states are 32 bytes"}
		}
		return digest, nil
	}
	mac := hmac.New(md5.New, []byte(saslprep.Password(string(held.Value))))
	mac.Write([]byte(challenge))
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// CRAMMD5Secret is the secret of kind [verifier.KindCRAMMD5] for a password: its two
// half-finished HMAC states, with which CRAM-MD5 works without the password. It prepares
// the password with SASLprep. For what is stored see [Secrets], which refuses what nobody
// could type.
func CRAMMD5Secret(password string) []byte {
	return md5secret.CRAMMD5(saslprep.Password(password))
}

type cramMD5Client struct{ client }

func newCRAMMD5Client(base client) Client {
	c := &cramMD5Client{base}
	c.await = c.awaitChallenge
	return c
}

func (c *cramMD5Client) Start() ([]byte, error) { return nil, c.checkOwnCredentials("CRAM-MD5") }

// maxCRAMChallenge bounds what a server may make the client sign, in bytes.
const maxCRAMChallenge = 2048

// awaitChallenge hashes any text: Exchange and others send challenges that are
// not message ids.
func (c *cramMD5Client) awaitChallenge(challenge []byte) ([]byte, clientState, error) {
	if len(challenge) == 0 {
		return nil, nil, malformed("malformed", errors.New("mech: empty CRAM-MD5 challenge"))
	}
	if len(challenge) > maxCRAMChallenge {
		return nil, nil, &Error{Class: Limit, Code: "too-long"}
	}
	digest, err := cramMD5Digest(verifier.Secret{Kind: verifier.KindPassword, Value: []byte(c.Password)}, string(challenge))
	if err != nil {
		return nil, nil, err
	}
	return cramMD5Message{user: c.Username, digest: digest}.append(nil), nil, nil
}
