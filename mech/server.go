package mech

import (
	"context"
	crand "crypto/rand"
	"encoding/base64"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// A Server is the server side of one exchange, for one goroutine at a time. It holds
// nothing that must be closed.
type Server interface {
	// Step consumes one client response. The first is nil if the client sent
	// no initial response; an empty slice is an empty response. The response
	// is not kept. A step after the end fails with ErrExchangeOver.
	Step(ctx context.Context, response []byte) Outcome
}

// An Outcome is what one step came to.
type Outcome struct {
	Data     []byte // nil: none; empty: an empty message. Owned by the caller
	State    State
	Err      *Error    // only if Failed; Data may still hold what the protocol sends with failure
	Identity *Identity // only if Done; not to be changed
	OTPLeft  int       // OTP, only if Done: for how many logins more the series is good
}

// A State says whether an exchange goes on.
type State uint8

const (
	More   State = iota // Data is a challenge, and the client must answer
	Done                // the client is authenticated; Data, if any, must reach it
	Failed              // Err says why
)

// An Identity is who was authenticated.
type Identity struct {
	Account verifier.Account // as the store knows him
	Authzid string           // whom the client acts as, resolved: never empty
	Trace   string           // ANONYMOUS: what the client said of itself; not to be trusted
	Binding string           // type of the channel binding that both sides agree on; "" for none
}

// A Backend answers what the server of one exchange asks about names, secrets
// and the channel. Names are prepared but not yet cut into user and realm.
type Backend interface {
	// VerifyPassword checks a password; see verifier.Verifier.
	VerifyPassword(ctx context.Context, name, password string) (verifier.Account, error)
	// VerifyToken says whose token it is; see verifier.TokenVerifier. The name is what the
	// client said, possibly empty. The account is prepared and cut.
	VerifyToken(ctx context.Context, name, token string) (verifier.Account, error)
	// LookupSecret returns a secret of one of the kinds. The realm is the one
	// that the client named on the wire, "" if it named none. With an error
	// for which verifier.Refused holds it returns a decoy of the kind that most
	// users have, on which the mechanism does the same work; with a terminal
	// error it returns the real secret.
	LookupSecret(ctx context.Context, name, realm string, kinds []verifier.Kind) (verifier.Secret, error)
	// ReplaceSecret changes what is stored of a kind for whom LookupSecret was last asked
	// for, in one durable commit: change gets what is there now, which may be newer than
	// what LookupSecret returned, and returns what it is to be. It may run again. Its
	// error ends the change and is returned as it is. If the account has been disabled
	// the change is made and the error is verifier.ErrDisabled.
	ReplaceSecret(ctx context.Context, kind verifier.Kind, change func(stored []byte) ([]byte, error)) error
	// Authorize returns the resolved authorization identity: the account's user, or
	// another with his realm, however the client spelled him. The authzid is not
	// empty and not the name that was authenticated.
	Authorize(ctx context.Context, a verifier.Account, authzid string) (string, error)
	// Realms are the realms to offer, the default one first.
	Realms() []string
	// External is the identity that the channel has proven; "" for none.
	External() string
	// Binding returns the channel-binding data of a type, and whether the channel
	// has any.
	Binding(typ string) ([]byte, bool)
	// Offers reports whether a mechanism is advertised on this connection.
	Offers(m *Mechanism) bool
	// Named returns the user and the realm that LookupSecret was last asked for,
	// cut by the site's rules, whether or not they exist.
	Named() (user, realm string)
}

// A ServerConfig is what servers need to know beside. It is shared and must not
// be changed while it is in use.
type ServerConfig struct {
	Service string // "smtp", "imap": the service part of a digest-uri
	// HostNames are the names of this host. If set, the host of a digest-uri
	// must be among them, which keeps a stolen response from being used
	// elsewhere (RFC 2831 section 2.1.2). The first one is in CRAM-MD5's
	// challenge.
	HostNames []string
	Limits    Limits
	Names     NameProfile // how names are prepared
	// AnonymousUser is the user name of everybody who used ANONYMOUS.
	AnonymousUser string
	// AllowNTLMv1 lets clients answer with version 1 of NTLM, from which a listener
	// has the NT hash within a day. Never with an LM response alone.
	AllowNTLMv1 bool
	// SCRAM serves the SCRAM mechanisms and OTP; without it they are unavailable.
	SCRAM *Derivation

	// Layers are the security layers that may be negotiated; nil: none.
	Layers *Layers
	// Nonces lets clients of DIGEST-MD5 log in again with the nonce of an earlier
	// login; nil: never.
	Nonces *Nonces

	nonce  nonceSource // tests inject
	latin1 bool        // tests inject: DIGEST-MD5 without charset=utf-8
	ntlm   *ntlmTarget // tests inject; nil: of Realms, HostNames and the time
}

// A nonceSource makes nonces; nil makes fresh ones.
type nonceSource func() string

func (n nonceSource) next() string {
	var room [nonceSize]byte
	return string(n.append(room[:0]))
}

// nonceSize is that of a fresh nonce: 24 random bytes, 192 bits, in base64.
const nonceSize = 32

func (n nonceSource) append(b []byte) []byte {
	if n != nil {
		return append(b, n()...)
	}
	var random [nonceSize * 3 / 4]byte
	crand.Read(random[:])
	return base64.StdEncoding.AppendEncode(b, random[:])
}

// A state of the server S consumes one client response. It returns the challenge
// to send and the state that awaits the answer, or a nil state when nothing is
// awaited: the client is then authenticated, or err says why not. States are
// methods of S, named after what they await.
type state[S any] func(s *S, ctx context.Context, response []byte) (challenge []byte, next state[S], err error)

// server is what all servers have in common. A mechanism's server S embeds
// server[S], begins with its first state, and sets identity before it returns
// success.
type server[S any] struct {
	secret.Opaque
	serverBase
	self     *S
	await    state[S]
	steps    int32
	otpLeft  int32
	identity Identity
}

// serverBase is what a server is made from.
type serverBase struct {
	*ServerConfig
	Backend
	row *Mechanism
}

func (s *server[S]) begin(self *S, base serverBase, first state[S]) {
	s.self, s.serverBase, s.await = self, base, first
}

// maxSteps bounds the responses of one exchange. The longest real one is
// GSSAPI's with 5.
const maxSteps = 12

// Step turns what a state returned into one Outcome, and makes sure that an
// exchange that has ended stays so.
func (s *server[S]) Step(ctx context.Context, response []byte) Outcome {
	if s.await == nil {
		return Outcome{State: Failed, Err: malformed("protocol", ErrExchangeOver)}
	}
	s.steps++
	if len(response) > s.row.MaxResponse || s.steps > maxSteps {
		s.await = nil
		return Outcome{State: Failed, Err: &Error{Class: Limit, Code: "too-long"}}
	}
	if response == nil && !s.row.ServerFirst {
		if s.steps == 1 {
			return Outcome{State: More} // RFC 4422 section 3: ask with an empty challenge
		}
		response = []byte{}
	}
	challenge, next, err := s.await(s.self, ctx, response)
	s.await = next
	if err != nil {
		s.await = nil
		return Outcome{State: Failed, Err: AsError(err)}
	}
	if next != nil {
		return Outcome{Data: challenge, State: More}
	}
	if s.identity.Account.User == "" {
		return Outcome{State: Failed, Err: AsError(&verifier.ContractError{Rule: "success carries a user name"})}
	}
	return Outcome{Data: challenge, State: Done, Identity: &s.identity, OTPLeft: int(s.otpLeft)}
}

// checkPassword asks about a password as it was received: prepared and, if that is
// refused and something else, once more as it came. Who stores passwords prepares them;
// crypt(3), PAM and saslauthd have hashed what was typed, where SASLprep would make "2"
// of the key for "²" on a French keyboard.
func (s *serverBase) checkPassword(ctx context.Context, name, received string) (verifier.Account, error) {
	prepared, err := s.Limits.preparePassword(received)
	if err != nil {
		return verifier.Account{}, err
	}
	account, err := s.VerifyPassword(ctx, name, prepared)
	if prepared != received && verifier.Refused(err) {
		account, err = s.VerifyPassword(ctx, name, received)
	}
	return account, err
}

// finish records who was authenticated and settles whom he acts as. An authzid
// that is empty, or the same as the authenticated name, needs no permission.
func (s *server[S]) finish(ctx context.Context, a verifier.Account, name, authzid string) error {
	acting := a.User
	if authzid != "" && authzid != name {
		var err error
		if acting, err = s.Authorize(ctx, a, authzid); err != nil {
			return err
		}
	}
	s.identity.Account, s.identity.Authzid = a, acting
	return nil
}
