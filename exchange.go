package saslkit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// An Exchange is one login attempt on the server's side. It is used once, from
// one goroutine. Protocols that can carry data with success use Step; go-sasl
// hosts, which cannot, use Next.
type Exchange struct {
	secret.Opaque
	peer    *Peer
	row     *mech.Mechanism
	server  mech.Server
	channel Channel

	user, realm string      // as the client named them, once known
	refund      func(error) // the Guard's, once it admitted us
	started     time.Time   // zero if nobody wants to know

	result        Result // if authenticated
	failure       *Error // failed, and data of the failure is on its way
	authenticated bool   // but not yet the peer's result while data is on its way
	over          bool
	settled       bool
}

func (x *Exchange) begin(p *Peer, m *mech.Mechanism, ch *Channel) {
	x.peer, x.row, x.channel = p, m, *ch
	x.server = m.NewServer(&p.server, (*backend)(x))
	if p.auth.Logger != nil || p.auth.Observer != nil {
		x.started = time.Now()
	}
}

// Mechanism is the name of the mechanism.
func (x *Exchange) Mechanism() string { return x.row.Name }

// Step consumes one client response: nil first if there was no initial response.
// With Done the peer is logged in; data that comes with it must reach the client
// together with success.
func (x *Exchange) Step(response []byte) Outcome {
	o := x.step(response)
	switch o.State {
	case Done:
		x.accept()
	case Failed:
		x.settle(o.Err)
	}
	return o
}

// Next is Step for go-sasl hosts, and the one place that knows how data is
// carried that belongs to the end: as one more challenge, to which the client
// answers once. What it answers does not matter (go-imap v1 repeats the previous
// response for an empty line). Errors are mapped.
func (x *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case x.failure != nil:
		return nil, false, x.fail(x.failure)
	case x.authenticated && !x.over:
		x.accept()
		return nil, true, nil
	}
	o := x.step(response)
	switch o.State {
	case Done:
		if o.Data != nil {
			return o.Data, false, nil
		}
		x.accept()
		return nil, true, nil
	case Failed:
		if o.Data != nil {
			x.failure = o.Err
			return o.Data, false, nil
		}
		return nil, false, x.peer.mapped(o.Err)
	}
	return o.Data, false, nil
}

// step takes a step and settles a failure. A panic, ours or a verifier's, is a
// failure of this exchange and nothing more.
func (x *Exchange) step(response []byte) (o Outcome) {
	if x.over {
		return Outcome{State: Failed, Err: &Error{Class: mech.Malformed, Code: "protocol", Err: ErrExchangeOver}}
	}
	defer func() {
		if r := recover(); r != nil {
			// The value may hold anything, a password among it.
			o = Outcome{State: Failed, Err: &Error{Class: mech.Unavailable, Code: "panic", Err: fmt.Errorf("saslkit: panic of type %T", r)}}
		}
		switch o.State {
		case Done:
			x.record(o.Identity)
		case Failed:
			x.over = o.Data == nil
			if x.over {
				x.settle(o.Err)
			}
		}
	}()
	return x.server.Step(x.peer.ctx, response)
}

// fail ends an exchange whose failure was known one message earlier.
func (x *Exchange) fail(err *Error) error {
	x.over, x.failure = true, nil
	x.settle(err)
	return x.peer.mapped(err)
}

// accept makes the result the peer's.
func (x *Exchange) accept() {
	if x.over {
		return
	}
	x.over = true
	x.peer.result = &x.result
	x.settle(nil)
}

func (x *Exchange) record(id *mech.Identity) {
	x.authenticated = true
	x.result = Result{
		User: id.Account.User, Realm: id.Account.Realm, Authzid: id.Authzid,
		Mechanism: x.row.Name, Attributes: id.Account.Attributes,
		Anonymous: id.Anonymous, Trace: id.Trace,
	}
}

// settle tells guard, log and observer once how the exchange ended.
func (x *Exchange) settle(err *Error) {
	if x.settled {
		return
	}
	x.settled, x.over = true, true
	if x.peer.exchange == x {
		x.peer.exchange = nil
	}
	if x.refund != nil {
		if err == nil {
			x.refund(nil)
		} else {
			x.refund(err)
		}
	}
	if !x.started.IsZero() {
		x.peer.report(x.event(err))
	}
}

func (x *Exchange) event(err *Error) Event {
	e := Event{
		Service: x.peer.server.Service, Mechanism: x.row.Name,
		User: x.user, Realm: x.realm,
		Remote: x.channel.Remote, Secure: x.channel.Secure,
		Duration: time.Since(x.started), Err: err,
	}
	if err == nil {
		e.User, e.Realm = x.result.User, x.result.Realm
		if x.result.Authzid != x.result.User {
			e.Authzid = x.result.Authzid
		}
	}
	return e
}

// backend is the Exchange as its mechanism's server sees it.
type backend Exchange

var _ mech.Backend = (*backend)(nil)

// resolve cuts a name and remembers it for the log. A name that the realm policy
// refuses is looked up all the same and then refused, so that it costs what any
// unknown user costs.
func (b *backend) resolve(name, realmName string) error {
	user, r, err := b.peer.policy.Split(name)
	if err != nil && user == "" {
		user, r = name, b.peer.policy.Default
	}
	if realmName != "" && !strings.Contains(name, "@") {
		r = realmName
		if !b.peer.policy.Serves(r) {
			err = realm.ErrUnknown
		}
	}
	b.user, b.realm = user, r
	if err != nil {
		return fmt.Errorf("%w: %w", verifier.ErrNoUser, err)
	}
	return nil
}

func (b *backend) request() verifier.Request {
	return verifier.Request{
		User: b.user, Realm: b.realm, Service: b.peer.server.Service, Mechanism: b.row.Name,
		Remote: b.channel.Remote, Local: b.channel.Local,
	}
}

// admit asks the guard, once for an exchange.
func (b *backend) admit(ctx context.Context) error {
	if b.peer.auth.Guard == nil || b.refund != nil {
		return nil
	}
	done, err := b.peer.auth.Guard.Admit(ctx, b.request())
	if err != nil {
		return err
	}
	b.refund = done
	return nil
}

// VerifyPassword implements mech.Backend.
func (b *backend) VerifyPassword(ctx context.Context, name, password string) (verifier.Account, error) {
	policy := b.resolve(name, "")
	if err := b.admit(ctx); err != nil {
		return verifier.Account{}, err
	}
	account, err := b.peer.auth.passwords().VerifyPassword(ctx, b.request(), password)
	switch {
	case err != nil && !verifier.Refused(err) && !verifier.Terminal(err):
		return verifier.Account{}, err
	case policy != nil:
		return verifier.Account{}, policy
	}
	return account, err
}

// LookupSecret implements mech.Backend.
func (b *backend) LookupSecret(ctx context.Context, name, realmName string, kinds []verifier.Kind) (verifier.Secret, error) {
	policy := b.resolve(name, realmName)
	if err := b.admit(ctx); err != nil {
		return verifier.Secret{}, err
	}
	source := b.peer.auth.secrets()
	held, err := source.LookupSecret(ctx, b.request(), kinds...)
	switch {
	case err != nil && !verifier.Refused(err) && !verifier.Terminal(err):
		return verifier.Secret{}, err
	case policy != nil:
		err = policy
	case err == nil && held.Account.User == "":
		return verifier.Secret{}, &verifier.ContractError{Rule: "a secret carries its account"}
	}
	if verifier.Refused(err) {
		held = decoy(source.Coverage(), kinds)
	}
	return held, err
}

// decoy is a secret that nobody has, of the kind that most users have, so that
// an unknown user costs what a wrong password costs.
func decoy(c verifier.Coverage, kinds []verifier.Kind) verifier.Secret {
	commonest := kinds[0]
	for _, k := range kinds {
		if c.Counts[k] > c.Counts[commonest] || !c.Some.Has(commonest) && c.Some.Has(k) {
			commonest = k
		}
	}
	return verifier.Secret{Kind: commonest, Value: decoyValues[commonest]}
}

var decoyValues = map[verifier.Kind][]byte{
	verifier.KindPassword:  []byte("decoy password"),
	verifier.KindCRAMMD5:   make([]byte, 32),
	verifier.KindDIGESTMD5: make([]byte, 16),
}

// Authorize implements mech.Backend.
func (b *backend) Authorize(ctx context.Context, a verifier.Account, authzid string) (string, error) {
	user, r, err := b.peer.policy.Split(authzid)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", verifier.ErrNotPermitted, err)
	case user == a.User && r == a.Realm:
		return a.User, nil
	case b.peer.auth.Authorizer == nil:
		return "", verifier.ErrNotPermitted
	}
	if err := b.peer.auth.Authorizer.Authorize(ctx, a, user, r); err != nil {
		return "", err
	}
	return authzid, nil
}

// Realms implements mech.Backend.
func (b *backend) Realms() []string { return b.peer.policy.Realms() }

// External implements mech.Backend.
func (b *backend) External() string { return b.channel.External }
