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
}

// Decisions explains, for every mechanism of the library in the order of the
// mech_list and then of the table, what [Authenticator.Advertised] decides.
func (a *Authenticator) Decisions(ch Channel) []Decision {
	rows := a.offerable()
	for _, m := range mech.All() {
		if list, named := a.named(m); list && !named {
			rows = append(rows, m)
		}
	}
	all := make([]Decision, 0, len(rows))
	for _, m := range rows {
		f := a.decide(m, &ch)
		all = append(all, Decision{Mechanism: m.Name, Offered: f == factOffered, Reason: a.explain(m, &ch, f)})
	}
	return all
}

// A fact is what decides about a mechanism on a channel.
type fact uint8

const (
	factOffered fact = iota
	factNotListed
	factMustBeNamed
	factNoStore
	factNoUsers
	factServesNobody
	factServesSome // and nobody named it
	factOnlyTLS
	factTooWeak
	factNoExternal
	factNoBinding
	factNoLayer
	factReadOnly
)

// class is what a peer hears that asks for the mechanism all the same.
func (f fact) class() mech.Class {
	switch f {
	case factOnlyTLS, factNoLayer:
		return mech.EncryptionRequired
	case factTooWeak:
		return mech.TooWeak
	}
	return mech.MechanismUnavailable
}

// decide is the one place that joins the three facts: verifier, policy, channel.
func (a *Authenticator) decide(m *mech.Mechanism, ch *Channel) fact {
	list, named := a.named(m)
	switch {
	case list && !named:
		return factNotListed
	case !list && m.OnlyIfNamed:
		return factMustBeNamed
	}
	if f := a.serves(m, named); f != factOffered {
		return f
	}
	switch {
	case a.Policy.Missing(m, ch.Secure) == 0:
	case !ch.Secure && a.Policy.Missing(m, true) == 0:
		return factOnlyTLS
	default:
		return factTooWeak
	}
	switch {
	case m.Need == mech.NeedExternal && ch.External == "":
		return factNoExternal
	case m.Binds && !ch.canBind():
		return factNoBinding
	}
	if l := a.layers(ch); l.Min > l.Strongest(m) {
		return factNoLayer
	}
	return factOffered
}

// serves looks at what the stores can do for m. A mechanism that the site named
// needs one user who can use it; one that nobody named needs that all can, since
// a client takes the strongest offer and would fail with it. Passwords are the
// exception: PLAIN and LOGIN are what is left for everybody else, so one user
// without a password does not take them away from the others.
func (a *Authenticator) serves(m *mech.Mechanism, named bool) fact {
	c, ok := a.coverage(m)
	if !ok {
		return factNoStore
	}
	switch {
	case m.Stores && c.Some.Any(m.Secrets) && !a.stores(c, m):
		return factReadOnly
	case m.Secrets == nil, c.Users != 0 && c.ServesAll(m.Secrets):
		return factOffered
	case c.Users == 0:
		return factNoUsers
	case !c.Some.Any(m.Secrets):
		return factServesNobody
	case named || m.Need == mech.NeedPassword:
		return factOffered
	}
	return factServesSome
}

// stores reports whether what a login by m changes can be stored.
func (a *Authenticator) stores(c verifier.Coverage, m *mech.Mechanism) bool {
	_, ok := verifier.StoreOf(a.secrets())
	return ok && c.Stores.Any(m.Secrets)
}

// coverage is that of the slot which m needs; false if the slot is empty.
func (a *Authenticator) coverage(m *mech.Mechanism) (c verifier.Coverage, ok bool) {
	switch m.Need {
	case mech.NeedPassword:
		if v := a.passwords(); v != nil {
			return verifier.CoverageOf(v), true
		}
		return c, false
	case mech.NeedSecret:
		if s := a.secrets(); s != nil {
			return s.Coverage(), true
		}
		return c, false
	case mech.NeedToken:
		return c, a.Tokens != nil
	case mech.NeedGSS:
		return c, a.GSS != nil
	}
	return c, true
}

// explain puts a fact into words.
func (a *Authenticator) explain(m *mech.Mechanism, ch *Channel, f fact) string {
	c, _ := a.coverage(m)
	switch f {
	case factNotListed:
		return "mech_list does not name it"
	case factMustBeNamed:
		return "it is offered only if mech_list names it"
	case factNoStore:
		if m.Need == mech.NeedSecret {
			return a.slots()
		}
		return "it needs " + m.Need.String() + " and none is configured"
	case factNoUsers:
		return "the store has no users"
	case factServesNobody:
		return "no user has a secret that serves it; the store holds: " + c.Some.String()
	case factServesSome:
		return "it " + partly(m, c) + ": name it in mech_list to offer it"
	case factOnlyTLS:
		return "the policy in the clear asks for " + a.Policy.Missing(m, false).String() + ": only under TLS"
	case factTooWeak:
		where := "in the clear"
		if ch.Secure {
			where = "under TLS"
		}
		return "the policy " + where + " asks for " + a.Policy.Missing(m, ch.Secure).String()
	case factNoExternal:
		return "the channel has proven no identity"
	case factNoBinding:
		return "the channel has nothing to bind to"
	case factNoLayer:
		return fmt.Sprintf("the policy in the clear asks for a security layer of strength %d, which it cannot have: only under TLS", a.Layers.Min)
	case factReadOnly:
		return "each login changes the user's secret, and " + verifier.Name(a.secrets()) + " cannot be written"
	}
	switch {
	case m.Secrets == nil:
		return "it needs " + m.Need.String()
	case c.ServesAll(m.Secrets):
		return "all users can use it" + a.revealing(m, c)
	}
	return "it " + partly(m, c) + a.revealing(m, c)
}

// revealing warns of what a listener can tell: a user with SCRAM keys shows the
// salt and the count that are stored, everybody else those of the Derivation.
func (a *Authenticator) revealing(m *mech.Mechanism, c verifier.Coverage) string {
	if m.Secrets[0].IsSCRAM() && c.Some.Has(m.Secrets[0]) && c.Some.Has(verifier.KindPassword) {
		return "; the salt and count it shows tell who has stored keys"
	}
	return ""
}

// partly says how many users a mechanism serves that does not serve all.
func partly(m *mech.Mechanism, c verifier.Coverage) string {
	if n := c.Serving(m.Secrets); n >= 0 {
		return fmt.Sprintf("serves %d of %d users", n, c.Users)
	}
	return "serves some users only"
}

// slots says in words what the two slots are.
func (a *Authenticator) slots() string {
	v := a.passwords()
	switch {
	case v == nil:
		return "no store holds secrets"
	case a.secrets() == nil:
		return verifier.Name(v) + " can only check passwords and no store holds secrets"
	case verifier.CoverageOf(v).Users == 0 && a.secrets().Coverage().Users == 0:
		return verifier.Name(v) + " has no users"
	}
	return verifier.Name(v) + " serves passwords and " + verifier.Name(a.secrets()) + " secrets"
}
