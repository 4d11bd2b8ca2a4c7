package saslkit

import (
	"errors"

	"github.com/saslkit/saslkit/mech"
)

// APOPTimestamp returns what the greeting of a POP3 server must hold for its clients to
// use APOP (RFC 1939 section 7), the same on each call; "" if APOP is not offered on the
// connection as it is now. It is offered only if the site's mech_list names APOP, to
// users whose passwords are stored. It is not among the AuthMechanisms.
func (p *Peer) APOPTimestamp() string {
	ch := p.channel()
	if p.auth.decide(mech.APOP, &ch) != factOffered {
		return ""
	}
	if p.timestamp == "" {
		host := ""
		if len(p.server.HostNames) > 0 {
			host = p.server.HostNames[0]
		}
		p.timestamp = mech.NewAPOPTimestamp(host)
	}
	return p.timestamp
}

// APOP checks the name and the digest of POP3's command APOP, for a greeting with
// APOPTimestamp, under the same policy, guard and log as mechanisms. Errors are mapped.
func (p *Peer) APOP(user, digest string) error {
	ch := p.channel()
	if f := p.auth.decide(mech.APOP, &ch); f != factOffered || p.timestamp == "" {
		err := p.refusal(mech.APOP, &ch, f)
		if f == factOffered {
			err.Err = errors.New("saslkit: APOP: the greeting had no timestamp")
		}
		p.turnAway(&ch, mech.APOP.Name, err)
		return p.mapped(err)
	}
	x, err := p.begin(mech.APOP, &ch)
	if err != nil {
		return p.mapped(mech.AsError(err))
	}
	var o Outcome
	for _, response := range []string{p.timestamp, user, digest} {
		if o = x.Step([]byte(response)); o.State != More {
			break
		}
	}
	if o.State != Done {
		return p.mapped(o.Err)
	}
	return nil
}
