package daemon

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/mech"
)

// A dovecotRequest is one login on a connection.
type dovecotRequest struct {
	id       uint32
	minor    uint32 // of the client's version
	final    bool   // the client takes data together with success
	peer     *saslkit.Peer
	exchange *saslkit.Exchange // nil if it has not begun
	ctx      turnContext

	// Under the connection's lock.
	busy   bool        // it is being worked on, and not the client's turn
	stray  bool        // it was given up meanwhile
	expiry *time.Timer // nil: it was never the client's turn
	until  time.Time   // for when the timer is set
}

func (r *dovecotRequest) close() {
	if r.expiry != nil {
		r.expiry.Stop()
	}
	r.peer.Close()
}

// A dovecotStep is the next step of a request.
type dovecotStep struct {
	*dovecotRequest
	response []byte
}

// auth begins a login.
func (x *dovecotConn) auth(a dovecotauth.Auth) (*dovecotStep, error) {
	r := x.newRequest(a)
	switch used, full := x.add(r); {
	case used:
		return nil, fmt.Errorf("%w: request %d is under way already", errProtocol, a.ID)
	case full:
		if x.full.now() {
			x.warn("daemon: too many requests are under way")
		}
		x.refuse(r, &saslkit.Error{Class: mech.Unavailable, Code: "outstanding"})
		return nil, nil
	}
	var response []byte
	var err error
	if r.exchange, err = r.peer.Start(a.Mechanism); err == nil {
		if response, err = a.InitialResponse(r.minor); err != nil {
			err = notBase64(err)
		}
	}
	if err != nil {
		x.fail(r, mech.AsError(err))
		return nil, nil
	}
	return &dovecotStep{r, response}, nil
}

func (x *dovecotConn) newRequest(a dovecotauth.Auth) *dovecotRequest {
	site, channel := x.dovecot.Current.Site(), channelOf(a.Params)
	r := &dovecotRequest{
		id: a.ID, minor: x.minor, final: a.Params.Has("final-resp-ok"), busy: true,
		ctx: turnContext{Context: x.ctx, conn: x},
	}
	r.peer = site.Auth.NewPeer(saslkit.PeerConfig{
		Context: &r.ctx, Service: serviceName(a.Service), HostNames: site.HostNames, Realm: site.Realm,
		Channel: func() saslkit.Channel { return channel },
	})
	return r
}

// add makes a request one that is under way, unless its id is or there are too many.
func (x *dovecotConn) add(r *dovecotRequest) (used, full bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, used = x.requests[r.id]
	full = len(x.requests)+x.strays >= maxOutstanding
	if used || full {
		return used, full
	}
	if x.dovecot.underWay.Add(1) > maxUnderWay {
		x.dovecot.underWay.Add(-1)
		return false, true
	}
	if x.requests == nil {
		x.requests = make(map[uint32]*dovecotRequest)
	}
	x.requests[r.id] = r
	return false, false
}

// remove makes it one that is not; the lock is held.
func (x *dovecotConn) remove(r *dovecotRequest) {
	delete(x.requests, r.id)
	x.dovecot.underWay.Add(-1)
}

// notBase64 is the fault of a message, and of its request only.
func notBase64(err error) error {
	return &saslkit.Error{Class: mech.Malformed, Code: "malformed", Err: err}
}

// cont goes on with a login. One that is not there any more has been answered.
func (x *dovecotConn) cont(m dovecotauth.Cont) (*dovecotStep, error) {
	r, busy := x.resume(m.ID)
	switch {
	case r == nil:
		return nil, nil
	case busy:
		return nil, fmt.Errorf("%w: request %d is continued before it was answered", errProtocol, m.ID)
	}
	response, err := m.Message()
	if err != nil {
		x.fail(r, mech.AsError(notBase64(err)))
		return nil, nil
	}
	return &dovecotStep{r, response}, nil
}

// resume ends the client's turn.
func (x *dovecotConn) resume(id uint32) (r *dovecotRequest, busy bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r = x.requests[id]
	if r == nil || r.busy {
		return r, true
	}
	r.busy = true
	r.expiry.Stop() // one that goes off nevertheless finds the request busy
	return r, false
}

// forget ends a request that its client gave up. It is not answered: the client may use
// the id again at once. A step that is being taken is counted until it has ended.
func (x *dovecotConn) forget(id uint32) {
	x.mu.Lock()
	r := x.requests[id]
	switch {
	case r == nil:
	case r.busy:
		r.stray = true
		x.strays++
		delete(x.requests, id)
	default:
		x.remove(r)
	}
	x.mu.Unlock()
	if r != nil {
		r.close()
		x.rest()
	}
}

// strayed is called at the end of a step.
func (x *dovecotConn) strayed(r *dovecotRequest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.stray {
		r.stray = false
		x.strays--
		x.dovecot.underWay.Add(-1)
	}
}

// survive ends a request whose step panics, in a guard or a logger: that is temporary
// trouble of this request, and if it goes on panicking the end of the connection.
func (x *dovecotConn) survive(r *dovecotRequest) {
	v := recover()
	if v == nil {
		return
	}
	defer func() {
		if recover() != nil {
			x.hangUp()
		}
	}()
	x.warn(fmt.Sprintf("daemon: a request was given up: panic of type %T", v)) // the value may hold anything, a password among it
	x.fail(r, &saslkit.Error{Class: mech.Unavailable, Code: "panic"})
}

// step takes one step and says what it came to.
func (x *dovecotConn) step(s *dovecotStep) {
	r := s.dovecotRequest
	defer x.strayed(r)
	defer x.survive(r)
	o := r.next(s.response)
	switch o.State {
	case saslkit.More:
		x.challenge(r, o.Data)
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

// challenge makes it the client's turn. It is so before the client can know, and nothing
// about the request is said before the challenge.
func (x *dovecotConn) challenge(r *dovecotRequest, data []byte) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.await(r) {
		x.put(dovecotauth.Cont{ID: r.id, Data: dovecotauth.Encode(data)})
	}
}

// await gives the client time to go on. It returns false if there is nobody to wait for.
func (x *dovecotConn) await(r *dovecotRequest) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended || x.requests[r.id] != r {
		return false
	}
	r.busy = false
	r.until = time.Now().Add(x.times.request)
	if r.expiry == nil {
		r.expiry = time.AfterFunc(x.times.request, func() { x.expire(r) })
	} else {
		r.expiry.Reset(x.times.request)
	}
	return true
}

// expire ends a request whose client has not gone on in time.
func (x *dovecotConn) expire(r *dovecotRequest) {
	x.mu.Lock()
	early := r.busy || time.Now().Before(r.until) // the client went on when the timer had gone off
	if early || x.ended || x.requests[r.id] != r {
		x.mu.Unlock()
		return
	}
	x.remove(r) // what the client says from now on is too late
	x.steps.Add(1)
	x.mu.Unlock()
	defer x.steps.Done()
	defer x.survive(r)
	x.refuse(r, &saslkit.Error{Class: mech.Cancelled, Code: "expired"})
	x.flush()
	x.rest()
}

// refuseLine answers a request whose message has no room in a line, which ends the
// connection: its client should not come again with that.
func (x *dovecotConn) refuseLine() {
	command, rest, _ := strings.Cut(string(x.lineHead), "\t")
	number, _, whole := strings.Cut(rest, "\t")
	id, err := strconv.ParseUint(number, 10, 32)
	switch {
	case !whole || err != nil:
	case command == "AUTH":
		r := x.newRequest(dovecotauth.Auth{ID: uint32(id)})
		if used, full := x.add(r); !used && !full {
			x.fail(r, &saslkit.Error{Class: mech.Limit, Code: "too-long"})
		}
	case command == "CONT":
		if r, busy := x.resume(uint32(id)); !busy {
			x.fail(r, &saslkit.Error{Class: mech.Limit, Code: "too-long"})
		}
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

// address reads an address; the port may be missing or unusable.
func address(p dovecotauth.Params, ip, port string) netip.AddrPort {
	text, _ := p.Value(ip)
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.AddrPort{}
	}
	var n uint64
	if text, ok := p.Value(port); ok {
		if n, err = strconv.ParseUint(text, 10, 16); err != nil {
			n = 0
		}
	}
	return netip.AddrPortFrom(a, uint16(n))
}
