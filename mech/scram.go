package mech

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// SCRAM, RFC 5802 and RFC 7677. Client and server exchange nonces, the server tells
// salt and iteration count, the client proves with the salted password that it knows
// the password, and the server proves that it has the keys. The server needs the
// keys (KindSCRAMSHA256 and so on) or the password, and the keys do not suffice to
// log in.
//
// A listener can search for the password offline, at the cost of the iterations. In
// the -PLUS form both proofs cover the TLS channel (RFC 5929, RFC 9266), so that
// nobody sits in between; without it the client says whether it could have bound,
// and a server that had offered it notices that somebody took the offer away.
//
// SHA-1 and SHA-256 are standards, the other hashes drafts or Cyrus's; all are the
// same otherwise.

// The SCRAM mechanisms (RFC 5802, RFC 7677) prove both sides. Servers need the password,
// or keys that [SCRAMSecret] makes of it for one hash, with which nobody can log in. Who
// listens can search for the password at the cost of the iterations. The rows with PLUS
// bind to the TLS channel, so that nobody sits in between.
var (
	SCRAMSHA1, SCRAMSHA1PLUS     = scramRows(scram.SHA1, verifier.KindSCRAMSHA1)
	SCRAMSHA224, SCRAMSHA224PLUS = scramRows(scram.SHA224, verifier.KindSCRAMSHA224)
	SCRAMSHA256, SCRAMSHA256PLUS = scramRows(scram.SHA256, verifier.KindSCRAMSHA256)
	SCRAMSHA384, SCRAMSHA384PLUS = scramRows(scram.SHA384, verifier.KindSCRAMSHA384)
	SCRAMSHA512, SCRAMSHA512PLUS = scramRows(scram.SHA512, verifier.KindSCRAMSHA512)
	// With SHA-3 it is a draft that few clients know, and offered only by name.
	SCRAMSHA3512, SCRAMSHA3512PLUS = onlyIfNamed(scramRows(scram.SHA3x512, verifier.KindSCRAMSHA3512))
)

// The iterations that SCRAM clients compute unless told otherwise, and so the bounds of
// what our servers ask for.
const (
	MinIterations = 4096 // RFC 7677 section 4
	MaxIterations = 1_000_000
)

// plusSuffix ends the names of mechanisms that bind to the channel.
const plusSuffix = "-PLUS"

// maxSCRAMMessage bounds a message before it is parsed, in bytes: two names of which
// each byte is escaped, in base64 again with the channel binding, two nonces, and
// room for extensions.
const maxSCRAMMessage = 2*3*maxNameLimit*4/3 + 2*maxSCRAMNonce + 1024

func scramRows(h scram.Hash, kind verifier.Kind) (plain, plus *Mechanism) {
	row := Mechanism{
		Name:        h.Name(),
		Provides:    NoPlaintext | NoActive | NoAnonymous | MutualAuth,
		Need:        NeedSecret,
		Secrets:     []verifier.Kind{kind, verifier.KindPassword},
		MaxResponse: maxSCRAMMessage,
		server:      func(base serverBase) Server { return newSCRAMServer(base, h) },
		client:      func(base client) Client { return newSCRAMClient(base, h, "") },
	}
	bound := row
	bound.Name, bound.Binds = row.Name+plusSuffix, true
	bound.client = func(base client) Client { return newSCRAMClient(base, h, plusSuffix) }
	row.Plus = &bound
	return &row, &bound
}

func onlyIfNamed(plain, plus *Mechanism) (*Mechanism, *Mechanism) {
	plain.OnlyIfNamed, plus.OnlyIfNamed = true, true
	return plain, plus
}

type scramServer struct {
	server[scramServer]
	hash   scram.Hash
	first  string // the client's first message
	header int    // length of its gs2-header, in bytes
	nonce  string // the client's part
	added  []byte // ours
	name   string // prepared, as authzid
	authz  string

	held   verifier.Secret
	lookup error

	salt        []byte // as shown
	iterations  int
	derivedSalt [derivedSalt]byte
	room        [nonceSize]byte // for added
}

func newSCRAMServer(base serverBase, h scram.Hash) Server {
	s := &scramServer{hash: h}
	s.begin(s, base, (*scramServer).awaitClientFirst)
	return s
}

func (s *scramServer) awaitClientFirst(ctx context.Context, response []byte) ([]byte, state[scramServer], error) {
	m, err := parseSCRAMClientFirst(response)
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkFlag(&m); err != nil {
		return nil, nil, err
	}
	if s.authz, err = s.prepareAuthzid(m.authzid); err == nil {
		s.name, err = s.prepareName(m.user)
	}
	if err != nil {
		return nil, nil, scramNameError(err)
	}
	if s.SCRAM == nil {
		return nil, nil, errNoDerivation
	}
	s.first, s.header, s.nonce = m.whole, m.header, m.nonce
	if err := s.lookUp(ctx); err != nil {
		return nil, nil, err
	}
	s.added = s.ServerConfig.nonce.append(s.room[:0])
	return s.appendFirst(make([]byte, 0, usualChallenge)), (*scramServer).awaitClientFinal, nil
}

var errNoDerivation = errors.New("mech: ServerConfig.SCRAM is not set")

// usualChallenge is more than nearly every server-first-message has, in bytes.
const usualChallenge = 128

// scramNameError gives a name that cannot be prepared SCRAM's own code.
func scramNameError(err error) error {
	e := AsError(err)
	if e.Class != Malformed {
		return e
	}
	return &Error{Class: Malformed, Code: "invalid-username-encoding", Err: e.Err}
}

// checkFlag compares what the client says about channel binding with the mechanism
// and with what we offered (RFC 5802 section 6).
func (s *scramServer) checkFlag(m *scramClientFirst) error {
	switch {
	case m.flag == 'p' && !s.row.Binds:
		return malformed("channel-binding-not-supported", fmt.Errorf("mech: channel binding in %s", s.row.Name))
	case m.flag != 'p' && s.row.Binds:
		return malformed("malformed", fmt.Errorf("mech: no channel binding in %s", s.row.Name))
	case m.flag == 'y' && s.Offers(s.row.Plus):
		return &Error{Class: BadCredentials, Code: "server-does-support-channel-binding", Err: errDowngrade}
	case m.flag == 'p':
		if _, ok := s.bindingData(m.binding); !ok {
			return &Error{Class: BadCredentials, Code: "unsupported-channel-binding-type", Err: fmt.Errorf("mech: the channel has no binding of type %.32q", m.binding)}
		}
	}
	return nil
}

var errDowngrade = errors.New("mech: the client did not see -PLUS, which was offered: somebody changed the list")

// lookUp gets the secret and settles what is shown: the salt that is stored, or, for
// who has no keys and for nobody, one of the Derivation.
func (s *scramServer) lookUp(ctx context.Context) error {
	s.held, s.lookup = s.LookupSecret(ctx, s.name, "", s.row.Secrets)
	if !verifier.Answered(s.lookup) {
		return s.lookup
	}
	password := s.held.Kind == verifier.KindPassword
	if !password {
		r, err := s.keys()
		if err != nil {
			return err
		}
		s.salt, s.iterations = r.Salt, r.Iterations
	}
	if password || verifier.Refused(s.lookup) {
		user, realm := s.Named()
		s.derivedSalt = s.SCRAM.salt(s.hash, user, realm)
		s.salt, s.iterations = s.derivedSalt[:], s.SCRAM.iterations
	}
	return nil
}

// keys takes the secret apart, if it is keys.
func (s *scramServer) keys() (scram.Record, error) {
	r, err := scram.Unpack(s.hash, s.held.Value)
	if err != nil || s.held.Kind != s.row.Secrets[0] {
		return scram.Record{}, &verifier.ContractError{Rule: "a secret of a SCRAM kind is count, keys and salt"}
	}
	return r, nil
}

// appendFirst appends the server-first-message. It is made twice instead of kept.
func (s *scramServer) appendFirst(b []byte) []byte {
	b = append(append(append(b, "r="...), s.nonce...), s.added...)
	return scramServerFirst{salt: s.salt, iterations: s.iterations}.appendRest(b)
}

func (s *scramServer) awaitClientFinal(ctx context.Context, response []byte) ([]byte, state[scramServer], error) {
	m, err := parseSCRAMClientFinal(response)
	if err != nil {
		return nil, nil, err
	}
	if m.size != s.hash.Size() {
		return nil, nil, malformed("invalid-encoding", errProofSize)
	}
	if err := s.checkOurs(&m); err != nil {
		return nil, nil, err
	}
	var message [usualAuthMessage]byte
	auth := append(append(message[:0], s.first[s.header:]...), ',')
	auth = append(s.appendFirst(auth), ',')
	auth = m.appendWithoutProof(auth)
	match, serverKey, err := s.verify(ctx, m.proof[:m.size], auth)
	if err != nil {
		return nil, nil, err
	}
	if err := verifier.Conclude(s.lookup, match); err != nil {
		if verifier.Refused(err) {
			err = &Error{Class: BadCredentials, Code: "invalid-proof", Err: err}
		}
		return nil, nil, err
	}
	if err := s.finish(ctx, s.held.Account, s.name, s.authz); err != nil {
		return nil, nil, err
	}
	if s.row.Binds {
		s.identity.Binding = s.binding()
	}
	var signature [scram.MaxSize]byte
	return scramServerFinal{signature: s.hash.MAC(signature[:0], serverKey, auth)}.append(nil), nil, nil
}

// usualAuthMessage is more than nearly every AuthMessage has, in bytes. A longer one
// costs an allocation.
const usualAuthMessage = 512

var errProofSize = errors.New("mech: the proof has another size than the hash")

// checkOurs looks whether nonce and channel binding are those of this exchange. It
// comes before anything that costs time.
func (s *scramServer) checkOurs(m *scramClientFinal) error {
	var room [256]byte
	if !secret.Equal(m.nonce, append(append(room[:0], s.nonce...), s.added...)) {
		return refused("nonce")
	}
	binding := append(room[:0], s.first[:s.header]...)
	if s.row.Binds {
		data, ok := s.bindingData(s.binding())
		if !ok {
			return refused("channel-bindings-dont-match")
		}
		binding = append(binding, data...)
	}
	var encoded [256]byte
	if !secret.Equal(m.binding, base64.StdEncoding.AppendEncode(encoded[:0], binding)) {
		return refused("channel-bindings-dont-match")
	}
	return nil
}

// bindingData returns the channel-binding data of a type. To none at all nothing can
// be bound, whatever the channel says.
func (s *scramServer) bindingData(typ string) ([]byte, bool) {
	data, ok := s.Binding(typ)
	return data, ok && len(data) > 0
}

// binding is the type of channel binding that the client chose.
func (s *scramServer) binding() string {
	typ, _, _ := strings.Cut(s.first[len("p="):], ",")
	return typ
}

// verify checks the proof and returns the key for ours.
func (s *scramServer) verify(ctx context.Context, proof, auth []byte) (match bool, serverKey []byte, err error) {
	if s.held.Kind == verifier.KindPassword {
		return s.SCRAM.verify(ctx, derivedFor{s.hash, s.derivedSalt}, string(s.held.Value), proof, auth, !verifier.Refused(s.lookup))
	}
	r, err := s.keys()
	return s.hash.Proves(proof, r.StoredKey, auth), r.ServerKey, err
}

type scramClient struct {
	client
	hash   scram.Hash
	plus   string
	first  scramClientFirst
	bound  []byte // gs2-header and channel-binding data
	answer []byte // what the server must prove itself with
}

func newSCRAMClient(base client, h scram.Hash, plus string) Client {
	c := &scramClient{client: base, hash: h, plus: plus}
	c.await = c.awaitServerFirst
	c.unproven = true
	return c
}

// Start sends names and nonce. Names are prepared (RFC 5802 section 5.1).
func (c *scramClient) Start() ([]byte, error) {
	if err := c.checkCredentials(); err != nil {
		return nil, err
	}
	user, err := SASLprep.Prepare(c.Username)
	if err != nil {
		return nil, malformed("invalid-username-encoding", fmt.Errorf("%w (the user name)", err))
	}
	authzid := ""
	if c.Authzid != "" {
		if authzid, err = SASLprep.Prepare(c.Authzid); err != nil {
			return nil, malformed("invalid-username-encoding", fmt.Errorf("%w (the authorization identity)", err))
		}
	}
	c.first = scramClientFirst{flag: 'n', user: user, authzid: authzid, nonce: c.nonce.next()}
	data, err := c.bind()
	if err != nil {
		return nil, err
	}
	message := c.first.append(nil)
	if c.first, err = parseSCRAMClientFirst(message); err != nil {
		return nil, err
	}
	c.bound = append([]byte(c.first.whole[:c.first.header]), data...)
	return message, nil
}

// bind settles the flag (RFC 5802 section 6): with -PLUS the channel is bound; if we
// could have done so and the server did not offer it we say so.
func (c *scramClient) bind() (data []byte, err error) {
	typ, data, ok := firstBinding(c.Binding, c.BindingTypes)
	switch {
	case c.plus != "" && !ok:
		return nil, &Error{Class: MechanismUnavailable, Code: "mechanism-unavailable", Err: errors.New("mech: the channel has nothing to bind to")}
	case c.plus != "":
		c.first.flag, c.first.binding = 'p', typ
		return data, nil
	case ok && c.Offered != nil && !Listed(c.Offered, c.hash.Name()+plusSuffix):
		c.first.flag = 'y'
	}
	return nil, nil
}

// leastAdded is what a server must add to our nonce, in bytes.
const leastAdded = 8

// awaitServerFirst computes the proof, and what the server must answer, once all is
// in order: PBKDF2 takes long.
func (c *scramClient) awaitServerFirst(challenge []byte) ([]byte, clientState, error) {
	m, err := parseSCRAMServerFirst(challenge)
	if err != nil {
		return nil, nil, err
	}
	if !strings.HasPrefix(m.nonce, c.first.nonce) || len(m.nonce) < len(c.first.nonce)+leastAdded {
		return nil, nil, &Error{Class: ServerNotVerified, Code: "nonce", Err: errNonce}
	}
	if err := c.checkIterations(m.iterations); err != nil {
		return nil, nil, err
	}
	ctx := c.Context
	if ctx == nil {
		ctx = context.Background()
	}
	salted, err := c.hash.Salted(ctx, saslprep.Password(c.Password), m.salt, m.iterations)
	if err != nil {
		return nil, nil, err
	}
	final := scramClientFinal{binding: base64.StdEncoding.EncodeToString(c.bound), nonce: m.nonce}
	auth := append(append([]byte(c.first.bare()), ','), challenge...)
	auth = final.appendWithoutProof(append(auth, ','))
	final.size = len(c.hash.Proof(final.proof[:0], salted, auth))
	c.answer = c.hash.Signature(nil, salted, auth)
	return final.append(nil), c.awaitServerFinal, nil
}

// checkIterations refuses a count that would give the password away to a search, and
// one that would keep us busy.
func (c *scramClient) checkIterations(n int) error {
	least, most := c.MinIterations, c.MaxIterations
	if least <= 0 {
		least = MinIterations
	}
	if most <= 0 {
		most = MaxIterations
	}
	switch {
	case n < least:
		return &Error{Class: TooWeak, Code: "iterations-too-low", Err: fmt.Errorf("mech: the server asks for %d iterations, want %d", n, least)}
	case n > min(most, scram.MaxIterations):
		return &Error{Class: Limit, Code: "iterations-too-high", Err: fmt.Errorf("mech: the server asks for more than %d iterations", min(most, scram.MaxIterations))}
	}
	return nil
}

func (c *scramClient) awaitServerFinal(challenge []byte) ([]byte, clientState, error) {
	m, err := parseSCRAMServerFinal(challenge)
	var e *Error
	switch {
	case errors.As(err, &e) && e.Class == ServerRefused:
		return nil, nil, err
	case err != nil:
		return nil, nil, badServer(err)
	case !secret.Equal(m.signature, c.answer):
		return nil, nil, badServer(errWrongProof)
	}
	c.proven()
	c.shown.Binding = c.first.binding
	return nil, nil, nil
}
