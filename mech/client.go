package mech

import (
	"context"
	"errors"
	"fmt"

	"github.com/saslkit/saslkit/internal/secret"
)

// A Client is the client side of one exchange. Success needs two facts: the
// protocol said so, and Finish returned nil.
type Client interface {
	// Start returns the initial response: nil if the mechanism has none, an
	// empty slice if it is empty.
	Start() ([]byte, error)
	// Next answers a challenge. It never returns nil without an error, because
	// go-smtp's client takes that for success.
	Next(challenge []byte) ([]byte, error)
	// Finish is called when the protocol reported success. It fails if the
	// server should have proven itself and did not.
	Finish() error
	// Assurance says what the exchange has shown; it counts once Finish
	// returned nil.
	Assurance() Assurance
}

// An Assurance is what an exchange has shown to the client beyond the protocol's
// word that it succeeded.
type Assurance struct {
	ServerProven bool   // the server knows the secret too
	Binding      string // type of the channel binding that both sides agree on; "" for none
	Layer        *Layer // what protects the connection from now on; nil for nothing
}

// Credentials are what a client logs in with. They print as REDACTED.
type Credentials struct {
	secret.Opaque
	Username string // authentication identity
	Password string
	Authzid  string // whom to act as; "" for oneself
	Realm    string // DIGEST-MD5: one of the realms offered; "" lets the client choose. NTLM: the domain
	Trace    string // ANONYMOUS: at most 255 characters
	// Token is where OAUTHBEARER and XOAUTH2 get their token; nil: they are not used.
	Token TokenSource
}

// A TokenSource returns a bearer token that is good now, and gets another one in time
// before it expires. It is called once for a login.
type TokenSource func(ctx context.Context) (token string, err error)

// FixedToken is the source of a token that somebody else got.
func FixedToken(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// A ClientConfig is what a client needs to know. It must not be changed while a
// client uses it.
type ClientConfig struct {
	Credentials
	Service string // "smtp", "imap"
	Host    string // the name of the server, as the user knows it
	Port    int    // of the server, for OAUTHBEARER to say; 0: not said
	// ServiceName is the name of the service where it differs from the host's,
	// such as a mail domain with several relays (RFC 2831 section 2.1.2).
	ServiceName string

	// Context bounds what takes long: SCRAM's PBKDF2 and the TokenSource. Nil: nothing
	// does.
	Context context.Context
	// Offered is what the server advertises; nil if that is not known. SCRAM tells
	// the server if its -PLUS was not seen, so that it notices when somebody
	// removed it on the way (RFC 5802 section 6).
	Offered []string
	// Binding returns the channel-binding data of a type; nil: no channel binding.
	Binding func(typ string) ([]byte, bool)
	// BindingTypes are the types to bind to, best first; the first with data is
	// used. Nil: tls-exporter, tls-unique, tls-server-end-point.
	BindingTypes []string
	// MinIterations and MaxIterations bound what the server of SCRAM may ask for.
	// Zero means 4,096 (RFC 7677 section 4) and 1,000,000, which take about 150 ms;
	// the most is 10,000,000.
	MinIterations, MaxIterations int
	// OTPForm is how one-time passwords are written; zero: in hex.
	OTPForm OTPForm

	// Layers are the security layers that may be negotiated.
	Layers Layers
	// Previous lets DIGEST-MD5 log in with the nonce of the last login; nil: never.
	Previous *Previous

	nonce nonceSource   // tests inject
	ntlm  *ntlmRecorded // tests inject; nil: made anew
}

// A clientState answers one challenge and returns the state that awaits the
// next, or nil when no further challenge may come.
type clientState func(challenge []byte) (response []byte, next clientState, err error)

// client is what all clients have in common.
type client struct {
	secret.Opaque
	*ClientConfig
	await    clientState
	failed   error
	unproven bool // the server still has to prove itself
	shown    Assurance
}

// maxChallenge bounds a challenge before it is parsed, in bytes: what RFC 4954
// section 4 lets a line of base64 hold.
const maxChallenge = 9216

// Next implements Client for all mechanisms.
func (c *client) Next(challenge []byte) ([]byte, error) {
	if c.failed != nil {
		return nil, malformed("protocol", ErrExchangeOver)
	}
	response, err := c.answer(challenge)
	if err != nil {
		c.await = nil
		c.failed = AsError(err)
		return nil, c.failed
	}
	if response == nil {
		response = []byte{}
	}
	return response, nil
}

func (c *client) answer(challenge []byte) ([]byte, error) {
	if len(challenge) > maxChallenge {
		return nil, &Error{Class: Limit, Code: "too-long"}
	}
	if c.await == nil {
		return nil, malformed("protocol", fmt.Errorf("mech: challenge after the last message"))
	}
	response, next, err := c.await(challenge)
	c.await = next
	return response, err
}

// Finish implements Client for all mechanisms.
func (c *client) Finish() error {
	if c.failed != nil {
		return c.failed
	}
	if c.unproven {
		c.failed = badServer(errNoProof)
		return c.failed
	}
	return nil
}

// Assurance implements Client for all mechanisms.
func (c *client) Assurance() Assurance { return c.shown }

// Why a server is not believed.
var (
	errNoProof    = errors.New("mech: success was reported and the proof of it did not come")
	errWrongProof = errors.New("mech: the proof is not that of somebody who knows the password")
	errNonce      = errors.New("mech: the nonce does not begin with ours")
)

func badServer(err error) *Error {
	return &Error{Class: ServerNotVerified, Code: "bad-server", Err: err}
}

// proven notes that the server has proven itself.
func (c *client) proven() { c.unproven, c.shown.ServerProven = false, true }

// checkCredentials refuses credentials that cannot be sent.
func (c *client) checkCredentials() error {
	if err := checkSendable("user name", c.Username, false); err != nil {
		return err
	}
	if err := checkSendable("authorization identity", c.Authzid, true); err != nil {
		return err
	}
	return checkSendable("password", c.Password, false)
}

// checkOwnCredentials is checkCredentials for a mechanism without authorization
// identities.
func (c *client) checkOwnCredentials(mechanism string) error {
	if c.Authzid != "" && c.Authzid != c.Username {
		return malformed("malformed", fmt.Errorf("mech: %s has no authorization identity", mechanism))
	}
	return c.checkCredentials()
}

// checkSendable refuses what no server could take: an empty name, NUL, and what
// would end a line.
func checkSendable(what, s string, mayBeEmpty bool) error {
	if s == "" && !mayBeEmpty {
		return malformed("malformed", fmt.Errorf("mech: %s is empty", what))
	}
	for i := range len(s) {
		if c := s[i]; c == 0 || c == '\r' || c == '\n' {
			return malformed("malformed", fmt.Errorf("mech: %s holds NUL, CR or LF", what))
		}
	}
	return nil
}
