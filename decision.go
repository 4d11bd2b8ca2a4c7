package saslkit

import (
	"fmt"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// A Decision says whether a mechanism is offered on a channel and which fact
// decides it.
type Decision struct {
	Mechanism string
	Offered   bool
	Reason    string // the fact that lets it in or keeps it out, for people

	refusal mech.Class // what a peer hears that asks for it all the same; 0 if offered
	warning string     // for the start: offered, but not to everybody's use
}

// Decisions explains, for every mechanism of the library in the order of the
// mech_list and then of the table, what Advertised decides.
func (a *Authenticator) Decisions(ch Channel) []Decision {
	rows := a.offerable()
	for _, m := range mech.All() {
		if list, named := a.named(m); list && !named {
			rows = append(rows, m)
		}
	}
	all := make([]Decision, 0, len(rows))
	for _, m := range rows {
		all = append(all, a.decide(m, ch))
	}
	return all
}

// decide is the one place that joins the three facts: verifier, policy, channel.
func (a *Authenticator) decide(m *mech.Mechanism, ch Channel) Decision {
	d := Decision{Mechanism: m.Name}
	list, named := a.named(m)
	switch {
	case list && !named:
		return d.refuse(mech.MechanismUnavailable, "mech_list does not name it")
	case !list && m.OnlyIfNamed:
		return d.refuse(mech.MechanismUnavailable, "it is offered only if mech_list names it")
	}
	if d = a.served(m, d, named); d.refusal != 0 {
		return d
	}
	if missing := a.Policy.Missing(m, ch.Secure); missing != 0 {
		switch {
		case ch.Secure:
			return d.refuse(mech.TooWeak, "the policy under TLS asks for "+missing.String())
		case a.Policy.Missing(m, true) == 0:
			return d.refuse(mech.EncryptionRequired, "the policy in the clear asks for "+missing.String()+": only under TLS")
		}
		return d.refuse(mech.TooWeak, "the policy in the clear asks for "+missing.String())
	}
	switch {
	case m.Need == mech.NeedExternal && ch.External == "":
		return d.refuse(mech.MechanismUnavailable, "the channel has proven no identity")
	case m.Binds && ch.Binding == nil:
		return d.refuse(mech.MechanismUnavailable, "the channel has nothing to bind to")
	}
	d.Offered = true
	return d
}

func (d Decision) refuse(class mech.Class, reason string) Decision {
	d.refusal, d.Reason, d.Offered, d.warning = class, reason, false, ""
	return d
}

// served looks at what the stores can do for m. A mechanism that the site named
// needs one user who can use it; one that nobody named needs that all can, since
// a client takes the strongest offer and would fail with it. Passwords are the
// exception: PLAIN and LOGIN are what is left for everybody else, so one user
// without a password does not take them away from the others.
func (a *Authenticator) served(m *mech.Mechanism, d Decision, named bool) Decision {
	var c verifier.Coverage
	switch m.Need {
	case mech.NeedNothing:
		d.Reason = "it needs nothing"
		return d
	case mech.NeedExternal:
		d.Reason = "the channel proves the identity"
		return d
	case mech.NeedToken:
		if a.Tokens == nil {
			return d.refuse(mech.MechanismUnavailable, "no token verifier is configured")
		}
		d.Reason = "the token verifier serves it"
		return d
	case mech.NeedGSS:
		if a.GSS == nil {
			return d.refuse(mech.MechanismUnavailable, "no GSS acceptor is configured")
		}
		d.Reason = "the GSS acceptor serves it"
		return d
	case mech.NeedPassword:
		if a.passwords() == nil {
			return d.refuse(mech.MechanismUnavailable, "no verifier checks passwords")
		}
		c = verifier.CoverageOf(a.passwords())
	case mech.NeedSecret:
		if a.secrets() == nil {
			return d.refuse(mech.MechanismUnavailable, a.stores())
		}
		c = a.secrets().Coverage()
	}
	enough := c.All
	if named || m.Need == mech.NeedPassword {
		enough = c.Some
	}
	have := enough.Any(m.Secrets)
	serving := c.Serving(m.Secrets)
	switch {
	case have && c.All.Any(m.Secrets):
		d.Reason = "all users can use it"
	case have && serving >= 0:
		d.warning = fmt.Sprintf("serves %d of %d users", serving, c.Users)
		d.Reason = "it " + d.warning
	case have:
		d.warning = "serves some users only"
		d.Reason = "it " + d.warning
	case c.Users == 0:
		return d.refuse(mech.MechanismUnavailable, "the store has no users")
	case c.Some.Any(m.Secrets):
		return d.refuse(mech.MechanismUnavailable, fmt.Sprintf("only %d of %d users can use it: name it in mech_list to offer it", serving, c.Users))
	default:
		return d.refuse(mech.MechanismUnavailable, "no user has a secret that serves it; the store holds: "+c.Some.String())
	}
	return d
}

// stores says in words what the two slots are.
func (a *Authenticator) stores() string {
	v := a.passwords()
	switch {
	case v == nil:
		return "no store holds secrets"
	case a.secrets() == nil:
		return describe(v) + " can only check passwords and no store holds secrets"
	}
	return describe(v) + " serves passwords and " + describe(a.secrets()) + " secrets"
}

// describe names a store as the site knows it: a verifier with a String method
// says "saslauthd:/run/saslauthd", another is called by its type.
func describe(v verifier.Verifier) string {
	if s, ok := v.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", v)
}
