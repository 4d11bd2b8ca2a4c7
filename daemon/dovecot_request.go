package daemon

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
)

// A dovecotRequest is one login on a connection.
type dovecotRequest struct {
	id       uint32
	peer     *saslkit.Peer
	exchange *saslkit.Exchange
	final    bool        // the client takes data together with success
	busy     bool        // a step is being taken; under the connection's lock
	expiry   *time.Timer // while the client thinks
}

func (r *dovecotRequest) close() {
	if r.expiry != nil {
		r.expiry.Stop()
	}
	r.peer.Close()
}

// auth begins a login.
func (x *dovecotConn) auth(a dovecotauth.Auth) error {
	site := x.dovecot.Current.Site()
	channel := channelOf(a.Params)
	r := &dovecotRequest{
		id: a.ID, final: a.Params.Has("final-resp-ok"), busy: true,
		peer: site.Auth.NewPeer(saslkit.PeerConfig{
			Context: x.ctx, Service: a.Service, HostNames: site.HostNames, Realm: site.Realm,
			Channel: func() saslkit.Channel { return channel },
		}),
	}
	x.mu.Lock()
	_, used := x.requests[a.ID]
	many := len(x.requests) >= maxOutstanding
	if !used && !many {
		x.requests[a.ID] = r
	}
	x.mu.Unlock()
	switch {
	case used:
		return fmt.Errorf("%w: request %d is under way already", errProtocol, a.ID)
	case many:
		x.say(dovecotauth.Fail{ID: a.ID, Params: dovecotauth.Params{"temp", "code=" + dovecotauth.CodeTempFail}})
		return nil
	}
	response, err := a.InitialResponse(x.minor)
	if err == nil {
		r.exchange, err = r.peer.Start(a.Mechanism)
	}
	if err != nil {
		x.fail(r, mech.AsError(malformedUnless(err)))
		return nil
	}
	x.steps.Go(func() { x.step(r, response) })
	return nil
}

// malformedUnless makes what is no Error the fault of the message.
func malformedUnless(err error) error {
	if e, ok := err.(*saslkit.Error); ok {
		return e
	}
	return &saslkit.Error{Class: mech.Malformed, Code: "malformed", Err: err}
}

// cont goes on with a login. One that is not there any more has been answered.
func (x *dovecotConn) cont(m dovecotauth.Cont) error {
	x.mu.Lock()
	r := x.requests[m.ID]
	busy := r != nil && r.busy
	if r != nil && !busy {
		r.busy = true
		r.expiry.Stop()
	}
	x.mu.Unlock()
	switch {
	case r == nil:
		return nil
	case busy:
		return fmt.Errorf("%w: request %d is continued before it was answered", errProtocol, m.ID)
	}
	response, err := m.Message()
	if err != nil {
		x.fail(r, mech.AsError(malformedUnless(err)))
		return nil
	}
	x.steps.Go(func() { x.step(r, response) })
	return nil
}

// step takes one step and says what it came to.
func (x *dovecotConn) step(r *dovecotRequest, response []byte) {
	o := r.next(response)
	switch o.State {
	case saslkit.More:
		x.await(r)
		x.say(dovecotauth.Cont{ID: r.id, Data: dovecotauth.Encode(o.Data)})
	case saslkit.Done:
		x.succeed(r, o.Data)
	default:
		x.fail(r, o.Err)
	}
}

// next is a step of the exchange: data that belongs to the end goes with it, or to a
// client that cannot take that as one more challenge.
func (r *dovecotRequest) next(response []byte) saslkit.Outcome {
	if r.final {
		return r.exchange.Step(response)
	}
	challenge, done, err := r.exchange.Next(response)
	switch {
	case err != nil:
		return saslkit.Outcome{State: saslkit.Failed, Err: mech.AsError(err)}
	case done:
		return saslkit.Outcome{State: saslkit.Done}
	}
	return saslkit.Outcome{State: saslkit.More, Data: challenge}
}

// await gives the client time to go on.
func (x *dovecotConn) await(r *dovecotRequest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r.busy = false
	r.expiry = time.AfterFunc(requestLife, func() { x.expire(r) })
}

func (x *dovecotConn) expire(r *dovecotRequest) {
	x.mu.Lock()
	expired := !r.busy && x.requests[r.id] == r
	x.mu.Unlock()
	if expired {
		x.fail(r, &saslkit.Error{Class: mech.Cancelled, Code: "expired"})
	}
}

func (x *dovecotConn) succeed(r *dovecotRequest, data []byte) {
	result, ok := r.peer.Result()
	user := realm.Join(result.User, result.Realm)
	if result.Authzid != "" && result.Authzid != result.User {
		user = result.Authzid
	}
	if !ok || !sayable(user) {
		x.fail(r, &saslkit.Error{Class: mech.Unavailable, Code: "unsayable-name"})
		return
	}
	params := dovecotauth.Params{"user=" + user}
	if r.final && data != nil {
		params = append(params, "resp="+dovecotauth.Encode(data))
	}
	x.drop(r)
	x.say(dovecotauth.OK{ID: r.id, Params: params})
	x.rest()
}

// fail says no, or that there is trouble. To clients of minor version 0, Postfix and
// Exim, every FAIL is a wrong password: trouble is told by hanging up, which gives 454.
func (x *dovecotConn) fail(r *dovecotRequest, e *saslkit.Error) {
	x.drop(r)
	if e.Class == mech.Unavailable && x.minor == 0 {
		x.hangUp()
		return
	}
	var params dovecotauth.Params
	if r.exchange != nil {
		if user, in := r.exchange.Named(); user != "" {
			if name := realm.Join(user, in); sayable(name) {
				params = append(params, "user="+name)
			}
		}
	}
	switch e.Class {
	case mech.Unavailable:
		params = append(params, "temp", "code="+dovecotauth.CodeTempFail)
	case mech.NotPermitted:
		params = append(params, "authz", "code="+dovecotauth.CodeAuthzFail)
	case mech.Disabled:
		params = append(params, "code="+dovecotauth.CodeUserDisabled)
	case mech.Expired:
		params = append(params, "code="+dovecotauth.CodePassExpired)
	}
	x.say(dovecotauth.Fail{ID: r.id, Params: params})
	x.rest()
}

// sayable reports whether a name can be said: Postfix and Exim do not undo escapes.
func sayable(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// take removes a request; nil if it is not there.
func (x *dovecotConn) take(id uint32) *dovecotRequest {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.requests[id]
	delete(x.requests, id)
	return r
}

// drop ends a request. What is settled already stays so.
func (x *dovecotConn) drop(r *dovecotRequest) {
	x.mu.Lock()
	if x.requests[r.id] == r {
		delete(x.requests, r.id)
	}
	x.mu.Unlock()
	r.close()
}

// rest lets a connection end that should, when nothing is under way any more.
func (x *dovecotConn) rest() {
	x.mu.Lock()
	last := len(x.requests) == 0
	x.mu.Unlock()
	if last && x.Stopping() {
		x.Stop()
	}
}

// channelOf is what a request says of its client.
func channelOf(p dovecotauth.Params) saslkit.Channel {
	c := saslkit.Channel{Secure: p.Has("secured"), Remote: address(p, "rip", "rport"), Local: address(p, "lip", "lport")}
	if p.Has("valid-client-cert") {
		c.External, _ = p.Value("cert_username")
	}
	return c
}

// address reads an address; the port may be missing.
func address(p dovecotauth.Params, ip, port string) netip.AddrPort {
	text, _ := p.Value(ip)
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.AddrPort{}
	}
	text, _ = p.Value(port)
	n, _ := strconv.ParseUint(text, 10, 16)
	return netip.AddrPortFrom(a, uint16(n))
}
