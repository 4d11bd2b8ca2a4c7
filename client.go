package saslkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-sasl"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/mech"
)

// Credentials are what a client logs in with. They print as REDACTED.
type Credentials = mech.Credentials

// An Assurance is what an exchange has shown to the client beyond the protocol's
// word that it succeeded.
type Assurance = mech.Assurance

// A ClientConfig says with what a client logs in, where, and what it insists on.
type ClientConfig struct {
	// Credentials are whose login it is.
	Credentials Credentials
	// Offered is what the server advertises, read after STARTTLS: see OfferedSMTP
	// and its like. Nil: unknown, and then Mechanisms must name what to use.
	Offered []string
	// Mechanisms are those that may be used, in order of preference. Nil or empty: the
	// strongest of those offered, but none that must be asked for by name.
	Mechanisms []string
	// MechanismFilter excludes mechanisms. Nil: none.
	MechanismFilter *MechanismFilter
	// Policy says which properties a mechanism must have; the zero Policy sends
	// no password in the clear.
	Policy mech.Policy
	// ChannelBinding says what the login has to do with the TLS channel under it.
	ChannelBinding ChannelBinding
	// Channel is what is known of the connection, as [ClientTLS] has it. The zero value is
	// one in the clear.
	Channel Channel

	// Layers are the security layers that may be negotiated in the clear; whoever sets
	// it calls ClientExchange.Layer after Finish. The zero value: none.
	Layers mech.Layers
	// Previous lets DIGEST-MD5 log in with the nonce of the last login to the same
	// server, which saves a message where the server remembers it. It is for protocols
	// that send an initial response: one that comes later is refused. Nil: never.
	Previous *mech.Previous

	Service     string // "smtp", "imap"
	Host        string // the server's name as the user knows it
	Port        int    // the server's, which OAUTHBEARER says; 0: not said
	ServiceName string // of the service, where it differs from the host (DIGEST-MD5)

	// Context bounds what takes long: SCRAM's computation of keys, and the source of
	// tokens. Nil: nothing does.
	Context context.Context
	// BindingTypes are the types of channel binding to use, best first. Nil:
	// tls-exporter, tls-unique, tls-server-end-point.
	BindingTypes []string
	// MinIterations and MaxIterations bound what a server may ask of SCRAM. Zero
	// means 4,096 and 1,000,000; the most is 10,000,000.
	MinIterations, MaxIterations int
	// OTPForm is how one-time passwords are written; zero: in hex.
	OTPForm mech.OTPForm
}

// A ChannelBinding says whether a login is bound to the TLS channel, so that
// somebody between the two ends of it cannot pass the login on.
type ChannelBinding uint8

const (
	// BindIfPossible: it is bound if the server offers a mechanism that binds, and
	// the channel has something to bind to. Who sits in between with a certificate
	// that is believed can take the offer away; SCRAM without it notices (RFC 5802
	// section 6), PLAIN does not.
	BindIfPossible ChannelBinding = iota
	// BindRequired: there is no login without it. For servers known to bind.
	BindRequired
	// BindNever: no mechanism that binds is used.
	BindNever
)

// A ClientExchange is one login attempt on the client's side. It is used once,
// from one goroutine.
type ClientExchange struct {
	secret.Opaque
	row    *mech.Mechanism
	client mech.Client
	cfg    mech.ClientConfig

	required  mech.Properties // by the policy in force
	mustBind  bool
	spoken    bool // a message of ours was handed out
	finished  bool // Finish returned nil
	layered   bool // Layer was called
	assurance Assurance
}

var _ sasl.Client = (*ClientExchange)(nil)

// NewClient picks a mechanism and begins a login. If none fits, the error says for each
// candidate why not; it is an *[Error], as [errors.As] finds it, whose class,
// [mech.MechanismUnavailable], [mech.TooWeak] or [mech.EncryptionRequired], is that of the
// one that came closest. The error for Layers that contradict themselves matches
// [mech.ErrLayers].
func NewClient(cfg ClientConfig) (*ClientExchange, error) {
	cfg = cfg.complete()
	if err := cfg.Layers.Validate(); err != nil {
		return nil, fmt.Errorf("saslkit: Layers: %w", err)
	}
	m, err := cfg.choose()
	if err != nil {
		return nil, told(err)
	}
	x := &ClientExchange{
		row:      m,
		required: cfg.Policy.Required(cfg.Channel.Secure),
		mustBind: m.Binds || cfg.ChannelBinding == BindRequired,
		cfg: mech.ClientConfig{
			Credentials:   cfg.Credentials,
			Service:       cfg.Service,
			Host:          cfg.Host,
			Port:          cfg.Port,
			ServiceName:   cfg.ServiceName,
			Context:       cfg.Context,
			Offered:       cfg.Offered,
			Binding:       cfg.Channel.Binding,
			BindingTypes:  cfg.BindingTypes,
			Layers:        cfg.Layers,
			Previous:      cfg.Previous,
			MinIterations: cfg.MinIterations,
			MaxIterations: cfg.MaxIterations,
			OTPForm:       cfg.OTPForm,
		},
	}
	x.client = m.NewClient(&x.cfg)
	return x, nil
}

// Mechanism is the name of the mechanism that was chosen.
func (x *ClientExchange) Mechanism() string { return x.row.Name }

// Start implements go-sasl's Client: the mechanism and the initial response,
// nil if there is none and empty if that is what it is.
func (x *ClientExchange) Start() (mechanism string, initial []byte, err error) {
	initial, err = x.client.Start()
	x.spoken = x.spoken || err == nil && initial != nil
	return x.row.Name, initial, told(err)
}

// Next implements go-sasl's Client. It never returns nil without an error: go-smtp's
// client takes nil for the end. After an error the exchange is over.
func (x *ClientExchange) Next(challenge []byte) ([]byte, error) {
	response, err := x.client.Next(challenge)
	x.spoken = x.spoken || err == nil
	return response, told(err)
}

// Finish must be called when the protocol reported success. An error means that
// the login must not be trusted: the server did not prove that it knows the
// password, although the mechanism lets it or the policy asks for it, or what
// [ClientConfig.ChannelBinding] asks for did not come about. It is an *[Error], as
// [errors.As] finds it, of class [mech.ServerNotVerified] or [mech.TooWeak], or that of a
// step that failed before.
func (x *ClientExchange) Finish() error {
	x.assurance, x.finished = Assurance{}, false
	if err := x.client.Finish(); err != nil {
		return told(err)
	}
	shown := x.client.Assurance()
	if err := x.check(shown); err != nil {
		return told(err)
	}
	x.assurance, x.finished = shown, true
	return nil
}

// check holds what the exchange has shown against what was asked of it. That the
// mechanism promised it, which the choice looked at, does not count here.
func (x *ClientExchange) check(shown Assurance) error {
	switch {
	case !x.spoken:
		return tooEarly()
	case (x.required|x.row.Provides)&mech.MutualAuth != 0 && !shown.ServerProven:
		return &Error{Class: mech.ServerNotVerified, Code: "bad-server", Err: fmt.Errorf("saslkit: %s ended without a proof of the server", x.row.Name)}
	case x.mustBind && (shown.Binding == "" || x.cfg.BindingTypes != nil && !slices.Contains(x.cfg.BindingTypes, shown.Binding)):
		return &Error{Class: mech.TooWeak, Code: "not-bound", Err: fmt.Errorf("saslkit: %s ended with the channel binding %q", x.row.Name, cmp.Or(shown.Binding, "none"))}
	case x.cfg.Layers.Min > 0 && (shown.Layer == nil || shown.Layer.Strength < x.cfg.Layers.Min):
		return &Error{Class: mech.TooWeak, Code: "no-layer", Err: fmt.Errorf("saslkit: %s ended without a security layer of strength %d", x.row.Name, x.cfg.Layers.Min)}
	}
	return nil
}

// Assurance says what the exchange has shown: nothing before Finish returned nil.
func (x *ClientExchange) Assurance() Assurance { return x.assurance }

// told is an error of a client with its cause in the text: there is no peer here from
// whom it must be kept.
func told(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return e.Detailed()
}

// tooEarly is the error for a success that nothing of ours can have led to.
func tooEarly() *Error {
	return &Error{Class: mech.ServerNotVerified, Code: "too-early", Err: errors.New("saslkit: the server reported success before anything was sent")}
}
