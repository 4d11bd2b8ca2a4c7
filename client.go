package saslkit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/mech"
)

// Credentials are what a client logs in with. They print as REDACTED.
type Credentials = mech.Credentials

// A ClientConfig says with what a client logs in, where, and what it insists on.
type ClientConfig struct {
	Credentials Credentials
	// Offered is what the server advertises, read after STARTTLS. Nil: unknown,
	// and then Mechanisms must name what to use.
	Offered []string
	// Mechanisms are those that may be used, in order of preference. Nil: the
	// strongest of those offered, but none that must be asked for by name.
	Mechanisms []string
	// Policy says which properties a mechanism must have; the zero Policy sends
	// no password in the clear.
	Policy  mech.Policy
	Channel Channel

	Service     string // "smtp", "imap"
	Host        string // the server's name as the user knows it
	ServiceName string // of the service, where it differs from the host (DIGEST-MD5)
}

// A ClientExchange is one login attempt on the client's side. It is used once,
// from one goroutine.
type ClientExchange struct {
	secret.Opaque
	row    *mech.Mechanism
	client mech.Client
	cfg    mech.ClientConfig
}

var _ sasl.Client = (*ClientExchange)(nil)

// NewClient picks a mechanism and begins a login. If none fits, the *Error says
// for each candidate why not.
func NewClient(cfg ClientConfig) (*ClientExchange, error) {
	m, err := cfg.choose()
	if err != nil {
		return nil, err
	}
	x := &ClientExchange{row: m, cfg: mech.ClientConfig{
		Credentials: cfg.Credentials,
		Service:     cfg.Service,
		Host:        cfg.Host,
		ServiceName: cfg.ServiceName,
	}}
	x.client = m.NewClient(&x.cfg)
	return x, nil
}

// choose returns the first candidate that nothing speaks against.
func (c *ClientConfig) choose() (*mech.Mechanism, error) {
	candidates := mech.All()
	if c.Mechanisms != nil {
		candidates = candidates[:0]
		for _, name := range c.Mechanisms {
			m := mech.ByName(name)
			if m == nil {
				return nil, &Error{Class: mech.MechanismUnavailable, Code: "mechanism-unavailable", Err: fmt.Errorf("saslkit: no mechanism %q", name)}
			}
			candidates = append(candidates, m)
		}
	}
	var against []string
	class := mech.MechanismUnavailable
	for _, m := range candidates {
		refusal, reason := c.against(m)
		if refusal == 0 {
			return m, nil
		}
		if refusal != mech.MechanismUnavailable {
			class = refusal
		}
		against = append(against, m.Name+": "+reason)
	}
	return nil, &Error{Class: class, Code: "mechanism-unavailable", Err: errors.New("saslkit: no usable mechanism (" + strings.Join(against, "; ") + ")")}
}

// against says what speaks against a mechanism; 0 if nothing does.
func (c *ClientConfig) against(m *mech.Mechanism) (mech.Class, string) {
	missing := c.Policy.Missing(m, c.Channel.Secure)
	switch {
	case c.Offered != nil && !contains(c.Offered, m.Name):
		return mech.MechanismUnavailable, "not offered by the server"
	case c.Offered == nil && c.Mechanisms == nil:
		return mech.MechanismUnavailable, "neither offered nor asked for"
	case c.Mechanisms == nil && m.OnlyIfNamed:
		return mech.MechanismUnavailable, "used only if asked for by name"
	case m.Need == mech.NeedExternal && c.Channel.External == "":
		return mech.MechanismUnavailable, "the channel proves no identity"
	case (m.Need == mech.NeedPassword || m.Need == mech.NeedSecret) && (c.Credentials.Username == "" || c.Credentials.Password == ""):
		return mech.MechanismUnavailable, "needs a user name and a password"
	case m.Binds && c.Channel.Binding == nil:
		return mech.MechanismUnavailable, "the channel has nothing to bind to"
	case missing != 0 && !c.Channel.Secure && c.Policy.Missing(m, true) == 0:
		return mech.EncryptionRequired, "only under TLS"
	case missing != 0:
		return mech.TooWeak, "the policy asks for " + missing.String()
	}
	return 0, ""
}

// Mechanism is the name of the mechanism that was chosen.
func (x *ClientExchange) Mechanism() string { return x.row.Name }

// Start implements go-sasl's Client: the mechanism and the initial response,
// nil if there is none.
func (x *ClientExchange) Start() (mechanism string, initial []byte, err error) {
	initial, err = x.client.Start()
	return x.row.Name, initial, err
}

// Next implements go-sasl's Client. It never returns nil without an error.
func (x *ClientExchange) Next(challenge []byte) ([]byte, error) { return x.client.Next(challenge) }

// Finish must be called when the protocol reported success. An error means that
// the login must not be trusted: the server did not prove that it knows the
// password, although the mechanism lets it.
func (x *ClientExchange) Finish() error { return x.client.Finish() }
