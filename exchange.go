package saslkit

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// An Exchange is one login attempt on the server's side. It is used once, from
// one goroutine. Protocols that can carry data with success, as LDAP and XMPP do, use
// [Exchange.Step]; others, SMTP, IMAP and POP3 among them, use [Exchange.Next], as
// go-sasl's hosts do. The host decodes base64, and replies to a client that cancels;
// such an exchange is settled by the next Start or when the peer is closed.
type Exchange struct {
	secret.Opaque
	peer    *Peer
	row     *mech.Mechanism
	server  mech.Server
	channel Channel
	started time.Time // zero if nobody wants to know

	// Of the goroutine that steps; of whoever ends the exchange afterwards.
	user, realm string         // as the client named them, once known
	refund      func(error)    // the Guard's, once it admitted us
	identity    *mech.Identity // if authenticated
	otpLeft     int16          // then, see Result

	// Under the peer's lock.
	stepping  bool   // a step is being taken
	abandoned bool   // meanwhile the peer was closed: the step will settle it
	carrying  bool   // the end is known, and data of it is on its way to the client
	failure   *Error // how it ends when carrying; nil: well
	over      bool
	layered   bool // Layer was called
}

func (x *Exchange) begin(p *Peer, m *mech.Mechanism, ch *Channel) {
	x.peer, x.row, x.channel = p, m, *ch
	p.server.Layers = nil
	if !ch.Secure && !ch.unlayered {
		p.server.Layers = &p.auth.Layers
	}
	x.server = m.NewServer(&p.server, (*backend)(x))
	if p.auth.Logger != nil || p.auth.Observer != nil {
		x.started = time.Now()
	}
}

// Mechanism is the name of the mechanism.
func (x *Exchange) Mechanism() string { return x.row.Name }

// Named returns the name that the client gave, cut by the realm policy, as far as it is
// known: for logs, and not to be trusted. It is called between steps.
func (x *Exchange) Named() (user, realm string) { return x.user, x.realm }

// Step consumes one client response: nil first if there was no initial response, an
// empty slice for one that is empty. The response is not kept, and the data of the
// outcome is the caller's. With Done the peer is logged in; data that comes with it must
// reach the client together with success. With Failed the error is not mapped. A step
// after the end fails with [ErrExchangeOver].
func (x *Exchange) Step(response []byte) Outcome { return x.advance(response, true) }

// Next is Step for hosts that cannot carry data with success or failure, those of go-sasl
// among them: it travels as one more challenge, to which the client answers once. What
// it answers does not matter (go-imap v1 repeats the previous response for an empty
// line). Response is what it is for Step. Errors are mapped, see [PeerConfig.MapError].
func (x *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	o := x.advance(response, false)
	if o.State == Failed {
		return nil, false, x.peer.mapped(o.Err)
	}
	return o.Data, o.State == Done, nil
}

// advance takes one step. Where the host cannot carry data with the end, it is
// made a challenge, and the end follows on the next response, whatever that is.
func (x *Exchange) advance(response []byte, carriesEnd bool) Outcome {
	p := x.peer
	p.mu.Lock()
	if x.carrying {
		o := Outcome{State: Done}
		if x.failure != nil {
			o = Outcome{State: Failed, Err: x.failure}
		}
		return x.conclude(o)
	}
	if x.over || x.stepping {
		p.mu.Unlock()
		return Outcome{State: Failed, Err: &Error{Class: mech.Malformed, Code: "protocol", Err: ErrExchangeOver}}
	}
	x.stepping = true
	p.mu.Unlock()

	o := x.step(response)

	p.mu.Lock()
	x.stepping = false
	switch {
	case x.abandoned:
		return x.conclude(Outcome{State: Failed, Err: errAbandoned()})
	case o.State == More:
		p.mu.Unlock()
		return o
	case o.State == Done:
		x.identity, x.otpLeft = o.Identity, int16(o.OTPLeft)
	}
	if o.Data != nil && !carriesEnd {
		x.carrying, x.failure = true, o.Err
		p.mu.Unlock()
		return Outcome{State: More, Data: o.Data}
	}
	return x.conclude(o)
}

// step calls the mechanism. A panic, ours or a verifier's, is a failure of this
// exchange and nothing more.
func (x *Exchange) step(response []byte) (o Outcome) {
	defer func() {
		if r := recover(); r != nil {
			o = Outcome{State: Failed, Err: &Error{Class: mech.Unavailable, Code: "panic", Err: panicked(r)}}
		}
	}()
	return x.server.Step(x.peer.ctx, response)
}

// panicked says where a panic that is being recovered from happened. Its value may hold
// anything, a password among it, unless it is of the runtime.
func panicked(value any) error {
	what := fmt.Sprintf("panic of type %T", value)
	if e, ok := value.(runtime.Error); ok && ofRuntime(e) {
		what = "panic: " + e.Error()
	}
	callers := make([]uintptr, 16)
	frames := runtime.CallersFrames(callers[:runtime.Callers(0, callers)])
	for thrown, more := false, true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		if thrown && !inRuntime {
			return fmt.Errorf("saslkit: %s in %s (%s:%d)", what, f.Function, filepath.Base(f.File), f.Line)
		}
		thrown = thrown || f.Function == "runtime.gopanic"
	}
	return errors.New("saslkit: " + what)
}

// ofRuntime reports whether an error is the runtime's own: other types may have its method.
func ofRuntime(e runtime.Error) bool {
	t := reflect.TypeOf(e)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == "runtime"
}

// conclude ends the exchange: with success, the result becomes the peer's. It is
// called with the peer's lock and gives it up before it tells anybody.
func (x *Exchange) conclude(o Outcome) Outcome {
	x.end()
	if o.State == Done {
		x.peer.loggedIn = x
	}
	x.peer.mu.Unlock()
	x.settle(o.Err)
	return o
}

// end marks the exchange as over, under the peer's lock.
func (x *Exchange) end() {
	x.over, x.carrying = true, false
	if x.peer.exchange == x {
		x.peer.exchange = nil
	}
}

// abandon ends an exchange that its peer gives up, under the peer's lock. It
// returns nil if there is nothing to settle: a step under way will do it.
func (x *Exchange) abandon() *Error {
	if x.stepping {
		x.abandoned = true
		x.over = true
		return nil
	}
	err := errAbandoned()
	if x.carrying && x.failure == nil { // the client knows it, and the log should too
		err.Err = fmt.Errorf("%w after the right credentials", verifier.ErrAbandoned)
	}
	x.end()
	return err
}

func errAbandoned() *Error {
	return &Error{Class: mech.Cancelled, Code: "abandoned", Err: verifier.ErrAbandoned}
}

// result is who logged in by this exchange.
func (x *Exchange) result() Result {
	id := x.identity
	layer, strength := x.layer()
	return Result{
		User: id.Account.User, Realm: id.Account.Realm, Authzid: id.Authzid,
		Mechanism: x.row.Name, Attributes: id.Account.Attributes,
		Anonymous: x.row.Provides&mech.NoAnonymous == 0, Trace: id.Trace, Binding: id.Binding, OTPLeft: int(x.otpLeft),
		Layer: layer, Strength: strength,
	}
}

// settle tells guard, log and observer how the exchange ended, without the lock
// and once: whoever ended the exchange calls it.
func (x *Exchange) settle(err *Error) {
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
		e.User, e.Realm, e.OTPLeft = x.identity.Account.User, x.identity.Account.Realm, int(x.otpLeft)
		if x.identity.Authzid != e.User {
			e.Authzid = x.identity.Authzid
		}
	}
	return e
}
