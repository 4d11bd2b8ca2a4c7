package saslkit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/emersion/go-sasl"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
)

// A PeerConfig says what there is to know about one connection.
type PeerConfig struct {
	// Context bounds every look-up made for this connection, since no host
	// passes one. Nil: context.Background.
	Context context.Context
	// Service is "smtp", "imap", "pop3", "sieve".
	Service string
	// Protocol is set by who does not serve clients but answers the question of a server
	// whether a name and a password are right: "saslauthd", "pwcheck". By which mechanism
	// they came, and whether under TLS, is then not known here, and an [Event] and the log
	// name the protocol instead.
	Protocol string
	// HostNames are the names of this host, the one to show first. If set, a
	// client of DIGEST-MD5 must have meant one of them.
	HostNames []string
	// Realm says how names are cut and which realms are served.
	Realm realm.Policy
	// Channel returns the facts of the connection as they are now; it is called
	// at each start. Nil: a channel in the clear with nothing known.
	Channel func() Channel
	// MapError turns an Error into the host's own error type, without which
	// go-smtp answers 454 and go-imap SERVERBUG, to a wrong password too. Nil: the *Error
	// itself; the Logger is then told once if Auth or Authenticate is called.
	MapError func(*Error) error
}

// A Peer is one connection's side of an Authenticator. It has the methods that
// go-smtp (AuthMechanisms, Auth) and go-imap (AuthenticateMechanisms,
// Authenticate) look for, so that a session embeds it. Its methods are called
// from the connection's goroutine, one at a time; Close also from another one,
// since go-smtp closes sessions so when the server stops. Close it when the
// connection ends: an exchange that is still under way then counts as a failure.
type Peer struct {
	secret.Opaque
	auth     *Authenticator
	ctx      context.Context
	policy   realm.Policy
	channel  func() Channel
	mapError func(*Error) error
	protocol string
	server   mech.ServerConfig

	timestamp string // of APOP, once it was asked for

	mu       sync.Mutex
	closed   bool
	exchange *Exchange // under way, or nil
	loggedIn *Exchange // the one that succeeded, or nil
	first    Exchange  // most connections need one: it comes with the peer
}

// NewPeer makes the peer of one connection, to be closed when that ends.
func (a *Authenticator) NewPeer(cfg PeerConfig) *Peer {
	p := &Peer{
		auth: a, ctx: cfg.Context, policy: cfg.Realm, channel: cfg.Channel, mapError: cfg.MapError, protocol: cfg.Protocol,
		server: mech.ServerConfig{
			Service: cfg.Service, HostNames: cfg.HostNames,
			SCRAM: a.scram(), Nonces: a.usedNonces(), Limits: a.Limits, Names: a.Names, AnonymousUser: a.AnonymousUser, AllowNTLMv1: a.AllowNTLMv1,
		},
	}
	if p.ctx == nil {
		p.ctx = context.Background()
	}
	if p.channel == nil {
		p.channel = func() Channel { return Channel{} }
	}
	return p
}

// AuthMechanisms lists what to advertise on the connection as it is now
// (go-smtp's name for it).
func (p *Peer) AuthMechanisms() []string { return p.auth.Advertised(p.unlayered()) }

// unlayered is the channel for hosts of go-sasl, which cannot put a security layer on.
func (p *Peer) unlayered() Channel {
	ch := p.channel()
	ch.unlayered = true
	return ch
}

// AuthenticateMechanisms is [Peer.AuthMechanisms] under go-imap's name.
func (p *Peer) AuthenticateMechanisms() []string { return p.AuthMechanisms() }

// Auth begins an exchange for go-smtp. It is [Peer.Start] with errors that are mapped, and
// without security layers, which go-sasl's hosts cannot put on.
func (p *Peer) Auth(mechanism string) (sasl.Server, error) {
	if p.mapError == nil {
		p.auth.warnUnmapped(p.ctx)
	}
	ch := p.unlayered()
	x, err := p.start(mechanism, &ch)
	if err != nil {
		return nil, p.mapped(mech.AsError(err))
	}
	return x, nil
}

// Authenticate is [Peer.Auth] under go-imap's name.
func (p *Peer) Authenticate(mechanism string) (sasl.Server, error) { return p.Auth(mechanism) }

// Start begins an exchange. A mechanism that is not advertised on this channel
// is refused: hosts do not compare. An exchange that was under way is abandoned. Who is
// logged in stays so until another login succeeds, or [Peer.Forget]: most protocols
// permit one, and the host refuses a second.
// The error is an *[Error], not mapped, of class [mech.MechanismUnavailable],
// [mech.TooWeak] or [mech.EncryptionRequired], and [mech.Cancelled] on a closed peer.
func (p *Peer) Start(mechanism string) (*Exchange, error) {
	ch := p.channel()
	return p.start(mechanism, &ch)
}

func (p *Peer) start(mechanism string, ch *Channel) (*Exchange, error) {
	m := mech.ByName(mechanism)
	if m == nil {
		return nil, p.turnAway(ch, "", &Error{Class: mech.MechanismUnavailable, Code: "mechanism-unavailable", Err: fmt.Errorf("saslkit: no mechanism %.20q", mechanism)})
	}
	if f := p.auth.decide(m, ch); f != factOffered {
		return nil, p.turnAway(ch, m.Name, p.refusal(m, ch, f))
	}
	return p.begin(m, ch)
}

// refusal is the answer to a request for what is not offered.
func (p *Peer) refusal(m *mech.Mechanism, ch *Channel, f fact) *Error {
	return &Error{Class: f.class(), Code: "mechanism-unavailable", Err: errors.New("saslkit: " + m.Name + ": " + p.auth.explain(m, ch, f))}
}

// turnAway abandons what was under way, reports the refusal and returns it.
func (p *Peer) turnAway(ch *Channel, mechanism string, err *Error) error {
	p.abandon(false)
	p.report(Event{Service: p.server.Service, Mechanism: mechanism, Remote: ch.Remote, Secure: ch.Secure, Err: err})
	return err
}

// report tells log and observer of a login that ended or was turned away.
func (p *Peer) report(e Event) {
	if p.protocol != "" {
		e.Protocol, e.Mechanism, e.Secure = p.protocol, "", false
	}
	if p.auth.Logger != nil {
		p.auth.Logger.LogAttrs(p.ctx, e.level(), "login", e.attrs()...)
	}
	if p.auth.Observer != nil {
		p.auth.Observer(e)
	}
}

// begin makes an exchange the one under way. On a closed peer there is none.
func (p *Peer) begin(m *mech.Mechanism, ch *Channel) (*Exchange, error) {
	p.abandon(false)
	x := &p.first
	if x.peer != nil { // it has been used
		x = new(Exchange)
	}
	x.begin(p, m, ch)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, &Error{Class: mech.Cancelled, Code: "closed", Err: errors.New("saslkit: the connection is closed")}
	}
	p.exchange = x
	return x, nil
}

// Login checks a name and a password that came in a command of the protocol
// itself (IMAP's LOGIN, POP3's USER and PASS), under the same policy, guard and
// log as PLAIN. Errors are mapped.
func (p *Peer) Login(user, password string) error {
	ch := p.channel()
	if f := p.auth.decide(mech.PLAIN, &ch); f != factOffered && p.auth.decide(mech.LOGIN, &ch) != factOffered {
		err := p.refusal(mech.PLAIN, &ch, f)
		p.turnAway(&ch, mech.LOGIN.Name, err)
		return p.mapped(err)
	}
	x, err := p.begin(mech.LOGIN, &ch)
	if err != nil {
		return p.mapped(mech.AsError(err))
	}
	o := x.Step([]byte(user))
	if o.State == More {
		o = x.Step([]byte(password))
	}
	if o.State != Done {
		return p.mapped(o.Err)
	}
	return nil
}

// Result says who is logged in on this connection, and whether anybody is. After data that
// came with success [Exchange.Next] has to return done first.
func (p *Peer) Result() (Result, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loggedIn == nil {
		return Result{}, false
	}
	return p.loggedIn.result(), true
}

// Forget logs out: the connection is as new. An exchange under way is abandoned.
func (p *Peer) Forget() {
	p.abandon(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loggedIn = nil
}

// Close settles what is under way; nobody logs in on this peer afterwards. It does
// not wait: a step that another goroutine is taking fails when its store has
// answered. It may be called more than once.
func (p *Peer) Close() error {
	p.abandon(true)
	return nil
}

// abandon ends the exchange under way as a failure, and the peer too if told so.
func (p *Peer) abandon(closing bool) {
	p.mu.Lock()
	if closing {
		p.closed, p.loggedIn = true, nil
	}
	x := p.exchange
	p.exchange = nil
	var err *Error
	if x != nil {
		err = x.abandon()
	}
	p.mu.Unlock()
	if err != nil {
		x.settle(err)
	}
}

func (p *Peer) mapped(err *Error) error {
	if p.mapError != nil {
		if mapped := p.mapError(err); mapped != nil {
			return mapped
		}
	}
	return err
}
