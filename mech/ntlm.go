package mech

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/ntlm"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// NTLM, MS-NLMP over the SASL of MS-SMTPNTLM and its like. The client says hello, the
// server sends a challenge of 8 bytes and its names, the client answers with its name
// and an HMAC-MD5 that covers the challenge, its own challenge and the server's names.
// The key is made of the NT hash, which the server must have (KindNTHash) or make of the
// password.
//
// A listener can search for the password offline, fast; whoever has the NT hash can log
// in; and an exchange can be passed on to another server. It is here for clients and
// servers that have nothing else, under TLS. Version 2 is spoken, version 1 by the server
// where a site allows it, and nothing is signed or sealed.

// NTLM is Microsoft's challenge and response (MS-NLMP). Servers need the password, or what
// [NTLMSecret] makes of it, which is as good as the password. Version 2 is spoken, and 1 if
// [ServerConfig.AllowNTLMv1] says so. It is offered only by name, and is for TLS.
var NTLM = &Mechanism{
	Name:        "NTLM",
	Provides:    NoPlaintext | NoAnonymous,
	Need:        NeedSecret,
	Secrets:     []verifier.Kind{verifier.KindNTHash, verifier.KindPassword},
	OnlyIfNamed: true,
	TLSOnly:     true,
	MaxResponse: 65535, // what the offsets of the longest real messages stay within
	server:      newNTLMServer,
	client:      newNTLMClient,
}

// maxNTLMNegotiate bounds the client's first message, which is kept until the last one
// is there, in bytes. Real ones have 32 to 60.
const maxNTLMNegotiate = 2048

// NTLMSecret is the secret of kind [verifier.KindNTHash] for a password, taken as it is. It
// is nil for one of which none can be made, which is empty or not UTF-8. Whoever has it
// can log in with NTLM.
func NTLMSecret(password string) []byte {
	hash, ok := ntlm.Hash(password)
	if !ok {
		return nil
	}
	return hash
}

type ntlmServer struct {
	server[ntlmServer]
	negotiate, challenge []byte // as received and as sent
	asked                ntlm.Nonce
}

func newNTLMServer(base serverBase) Server {
	s := new(ntlmServer)
	s.begin(s, base, (*ntlmServer).awaitNegotiate)
	return s
}

// awaitNegotiate answers with the challenge, in Unicode whatever the client says: one
// that has none is refused for its answer. Signing and its like are not offered.
func (s *ntlmServer) awaitNegotiate(_ context.Context, response []byte) ([]byte, state[ntlmServer], error) {
	if len(response) > maxNTLMNegotiate {
		return nil, nil, &Error{Class: Limit, Code: "too-long"}
	}
	m, err := ntlm.ParseNegotiate(response)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	crand.Read(s.asked[:])
	if s.nonce != nil {
		copy(s.asked[:], s.nonce())
	}
	target := s.target()
	offer := ntlm.Challenge{
		Flags:  ntlm.Unicode | ntlm.RequestTarget | ntlm.NTLM | ntlm.TargetDomain | m.Flags&(ntlm.AlwaysSign|ntlm.ExtendedSecurity),
		Target: target.name, Info: target.info, Nonce: s.asked,
	}
	if len(target.info) > 0 {
		offer.Flags |= ntlm.HasTargetInfo
	}
	s.negotiate, s.challenge = append([]byte(nil), response...), offer.Append(nil)
	return append([]byte(nil), s.challenge...), (*ntlmServer).awaitAuthenticate, nil
}

// An ntlmTarget is what a server says of itself.
type ntlmTarget struct {
	name string
	info ntlm.Info
}

// target names the default realm as the domain: clients that were told none, such as
// Cyrus's, name it in their answer.
func (s *ntlmServer) target() ntlmTarget {
	if s.ntlm != nil {
		return *s.ntlm
	}
	host := "localhost"
	if len(s.HostNames) > 0 {
		host = s.HostNames[0]
	}
	domain := host
	if realms := s.Realms(); len(realms) > 0 {
		domain = realms[0]
	}
	computer, _, _ := strings.Cut(host, ".")
	computer = strings.ToUpper(computer[:min(len(computer), 15)]) // as NetBIOS has it
	return ntlmTarget{domain, ntlm.NewInfo(domain, computer, host, ntlm.TimeOf(time.Now()))}
}

func (s *ntlmServer) awaitAuthenticate(ctx context.Context, response []byte) ([]byte, state[ntlmServer], error) {
	a, err := s.read(response)
	if err != nil {
		return nil, nil, err
	}
	name, err := s.prepareName(a.User) // an empty one would be anonymous
	if err != nil {
		return nil, nil, err
	}
	realm, other := s.realmOf(a.Domain)
	held, lookup := s.LookupSecret(ctx, name, realm, s.row.Secrets)
	if !verifier.Answered(lookup) {
		return nil, nil, lookup
	}
	hash, usable, err := ntHash(held)
	if err != nil {
		return nil, nil, err
	}
	match := a.matches(hash, a.Domain)
	if without := a.matches(hash, ""); !other {
		match = match || without
	}
	if err := verifier.Conclude(lookup, match && usable); err != nil {
		return nil, nil, err
	}
	return nil, nil, s.finish(ctx, held.Account, name, "")
}

// realmOf is the realm that a domain names: one of ours, whatever the case of its
// letters, or else none. Clients put there what they were told, what the server calls
// itself, or the workgroup of their machine.
//
// A realm other than the default must be under the proof. Whether the domain is under
// it at all depends on the client: some compute as if there were none.
func (s *ntlmServer) realmOf(domain string) (realm string, other bool) {
	for i, r := range s.Realms() {
		if SameName(r, domain) {
			return r, i > 0
		}
	}
	return "", false
}

// ntHash returns the NT hash of a secret. It is not usable if it stands for no
// password.
func ntHash(held verifier.Secret) (hash []byte, usable bool, err error) {
	if held.Kind == verifier.KindPassword {
		hash, usable = ntlm.Hash(string(held.Value))
		return hash, usable, nil
	}
	if len(held.Value) != ntlm.HashSize {
		return nil, false, &verifier.ContractError{Rule: "an NT hash is 16 bytes"}
	}
	return held.Value, !ntlm.IsEmpty(held.Value), nil
}

// An ntlmAnswer is a client's last message, and what it is an answer to.
type ntlmAnswer struct {
	ntlm.Authenticate
	version2             *ntlm.Response // nil: version 1
	asked                ntlm.Nonce
	negotiate, challenge []byte
	message              []byte
}

// errNTLMv1 is for the log: the peer sees bad credentials.
func errNTLMv1(user string) error {
	return fmt.Errorf("mech: %q answers with NTLMv1, which is not allowed (set the client to NTLMv2)", user)
}

// errLMAlone is what Cyrus SASL's client comes to with its option ntlm_v2: what it sends
// is of version 2, but without the names and the time.
var errLMAlone = errors.New("mech: the client sends an LM response alone, which is not looked at (if it is Cyrus SASL's, leave out its ntlm_v2)")

// read takes the last message apart. An LM response alone is refused, and so is
// version 1 unless the site allows it, whoever the user is.
func (s *ntlmServer) read(response []byte) (*ntlmAnswer, error) {
	m, err := ntlm.ParseAuthenticate(response)
	if err != nil {
		return nil, malformed("malformed", err)
	}
	if len(m.User) > s.Limits.name() || len(m.Domain) > s.Limits.name() {
		return nil, &Error{Class: Limit, Code: "too-long"}
	}
	a := &ntlmAnswer{Authenticate: m, asked: s.asked, negotiate: s.negotiate, challenge: s.challenge, message: response}
	if len(m.NT) == ntlm.V1Size {
		if m.User != "" && !s.AllowNTLMv1 {
			return nil, &Error{Class: BadCredentials, Code: "bad-credentials", Err: errNTLMv1(m.User)}
		}
		return a, nil
	}
	if len(m.NT) == 0 {
		return nil, malformed("malformed", errLMAlone)
	}
	version2, err := ntlm.ParseResponse(m.NT)
	if err != nil {
		return nil, malformed("malformed", err)
	}
	a.version2 = &version2
	return a, nil
}

// matches reports whether the answer was made with a hash and a domain. It always does
// all the work. An integrity code that the client says is there must be there and be
// right (CVE-2019-1040); one that it does not speak of may be anything.
func (a *ntlmAnswer) matches(hash []byte, domain string) bool {
	if a.version2 == nil {
		return a.matchesV1(hash)
	}
	key := ntlm.NewKey(hash, a.User, domain)
	proof := a.version2.ProofBy(key, a.asked)
	match := secret.Equal(a.version2.Proof[:], proof[:])
	if !a.version2.HasMIC() {
		return match
	}
	if a.MIC == nil {
		return false
	}
	mic := ntlm.MIC(key, proof, a.negotiate, a.challenge, a.message)
	return secret.Equal(a.MIC[:], mic[:]) && match
}

// matchesV1 is for sites that have named it. With ExtendedSecurity, which both sides
// must have said, the client has a challenge of its own.
func (a *ntlmAnswer) matchesV1(hash []byte) bool {
	challenge := a.asked
	if a.Flags&ntlm.ExtendedSecurity != 0 {
		if both, ok := ntlm.SessionChallenge(challenge, a.LM); ok {
			challenge = both
		}
	}
	return secret.Equal(a.NT, ntlm.ResponseV1(hash, challenge))
}

// An ntlmRecorded is what the client of a recorded exchange had made up.
type ntlmRecorded struct {
	nonce       ntlm.Nonce
	now         ntlm.FileTime
	workstation string
}

type ntlmClient struct{ client }

func newNTLMClient(base client) Client {
	c := &ntlmClient{base}
	c.await = c.awaitChallenge
	return c
}

// ntlmFlags are what the client says it can do. OEM is said because all do; the answer
// is in Unicode.
const ntlmFlags = ntlm.Unicode | ntlm.OEM | ntlm.RequestTarget | ntlm.NTLM | ntlm.AlwaysSign | ntlm.ExtendedSecurity

func (c *ntlmClient) Start() ([]byte, error) {
	if err := c.checkOwnCredentials("NTLM"); err != nil {
		return nil, err
	}
	if err := checkSendable("domain", c.Realm, true); err != nil {
		return nil, err
	}
	if len(c.Username) > maxNameLimit || len(c.Realm) > maxNameLimit {
		return nil, &Error{Class: Limit, Code: "too-long", Err: fmt.Errorf("mech: a name has more than %d bytes", maxNameLimit)}
	}
	if !utf8.ValidString(c.Username) || !utf8.ValidString(c.Realm) || !utf8.ValidString(c.Password) {
		return nil, malformed("malformed", errors.New("mech: NTLM: the user, the domain or the password is not UTF-8"))
	}
	return ntlm.Negotiate{Flags: ntlmFlags}.Append(nil), nil
}

// awaitChallenge answers with version 2. The server's time, if it tells it, is used in
// place of ours; then an integrity code over all three messages goes with the answer,
// and no LM response (MS-NLMP section 3.1.5.1.2).
func (c *ntlmClient) awaitChallenge(challenge []byte) ([]byte, clientState, error) {
	offer, err := ntlm.ParseChallenge(challenge)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	hash, ok := ntlm.Hash(c.Password)
	if !ok {
		return nil, nil, malformed("malformed", errors.New("mech: NTLM: the password is empty or not UTF-8"))
	}
	now, timed := offer.Info.Timestamp()
	own := c.ntlm
	if own == nil {
		if own = (&ntlmRecorded{now: now}); !timed {
			own.now = ntlm.TimeOf(time.Now())
		}
		crand.Read(own.nonce[:])
		if timed {
			offer.Info = offer.Info.WithMIC()
		}
	}
	key := ntlm.NewKey(hash, c.Username, c.Realm)
	response := ntlm.NewResponse(key, offer.Nonce, own.nonce, own.now, offer.Info)
	m := ntlm.Authenticate{
		Flags:  ntlmFlags&^ntlm.OEM&offer.Flags | offer.Flags&ntlm.HasTargetInfo,
		Domain: c.Realm, User: c.Username, Workstation: own.workstation,
		LM: make([]byte, ntlm.V1Size), NT: response.Append(nil),
	}
	if !timed {
		m.LM = ntlm.LMv2(key, offer.Nonce, own.nonce)
	}
	if !response.HasMIC() {
		return m.Append(nil), nil, nil
	}
	return m.AppendSigned(nil, key, response.Proof, ntlm.Negotiate{Flags: ntlmFlags}.Append(nil), challenge), nil, nil
}
