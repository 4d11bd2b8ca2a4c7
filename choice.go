package saslkit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/mech"
)

// A Candidate says whether a client may use a mechanism, and which fact decides
// it.
type Candidate struct {
	Mechanism string
	Usable    bool
	Reason    string // for people
}

// Candidates explains what NewClient decides. The mechanisms stand in order of
// preference, so that the first that is usable is the one that is chosen. Behind
// them stand those that were not asked for, and those that do not exist here.
func (c ClientConfig) Candidates() []Candidate {
	c = c.complete()
	var all []Candidate
	chosen := ""
	for _, v := range c.verdicts() {
		switch {
		case v.class != 0:
		case chosen == "":
			chosen, v.reason = v.name, "it is chosen"
		default:
			v.reason = "it could be used, but " + chosen + " comes first"
		}
		all = append(all, Candidate{v.name, v.class == 0, v.reason})
	}
	return all
}

// complete bounds what the server said, and takes the binding away if it is not
// to be used: SCRAM then says that it cannot bind.
func (c ClientConfig) complete() ClientConfig {
	if c.Offered != nil {
		offered := offer{}
		for _, name := range c.Offered {
			offered.add(name)
		}
		c.Offered = offered
	}
	if len(c.Mechanisms) == 0 {
		c.Mechanisms = nil
	}
	if c.ChannelBinding == BindNever {
		c.Channel.Binding = nil
	}
	if c.Channel.Secure {
		c.Layers = mech.Layers{} // TLS is one
	}
	return c
}

// choose returns the first mechanism that nothing speaks against.
func (c *ClientConfig) choose() (*mech.Mechanism, error) {
	for _, name := range c.Mechanisms {
		if mech.ByName(name) == nil {
			return nil, &Error{Class: mech.MechanismUnavailable, Code: "mechanism-unavailable", Err: fmt.Errorf("saslkit: no mechanism %q", name)}
		}
	}
	all := c.verdicts()
	for _, v := range all {
		if v.class == 0 {
			return v.row, nil
		}
	}
	return nil, c.noChoice(all)
}

// A verdict is what the choice says about one mechanism.
type verdict struct {
	name   string
	row    *mech.Mechanism // nil for one that does not exist here
	class  mech.Class      // 0: it can be used
	reason string
}

const (
	notAskedFor = "not among those asked for"
	notOffered  = "not offered by the server"
	nothingSaid = "neither offered nor asked for"
	notHere     = "does not exist here"
)

// verdicts judges every mechanism of the table, and those that were asked for or
// offered and are not in it, in the order of Candidates.
func (c *ClientConfig) verdicts() []verdict {
	var all []verdict
	for _, m := range c.rows() {
		class, reason := c.against(m)
		all = append(all, verdict{m.Name, m, class, reason})
	}
	var strangers []string
	for _, name := range slices.Concat(c.Mechanisms, c.Offered) {
		if mech.ByName(name) == nil && !mech.Listed(strangers, name) {
			strangers = append(strangers, name)
			all = append(all, verdict{name: name, class: mech.MechanismUnavailable, reason: notHere})
		}
	}
	return all
}

// rows are the mechanisms of the table, those asked for before the others.
func (c *ClientConfig) rows() []*mech.Mechanism {
	var rows []*mech.Mechanism
	for _, name := range c.Mechanisms {
		if m := mech.ByName(name); m != nil && !slices.Contains(rows, m) {
			rows = append(rows, m)
		}
	}
	for _, m := range mech.All() {
		if !slices.Contains(rows, m) {
			rows = append(rows, m)
		}
	}
	return rows
}

// against says what speaks against a mechanism; 0 if nothing does.
func (c *ClientConfig) against(m *mech.Mechanism) (mech.Class, string) {
	missing := c.Policy.Missing(m, c.Channel.Secure)
	switch {
	case c.Mechanisms != nil && !mech.Listed(c.Mechanisms, m.Name):
		return mech.MechanismUnavailable, notAskedFor
	case c.Offered != nil && !mech.Listed(c.Offered, m.Name):
		return mech.MechanismUnavailable, notOffered
	case c.Offered == nil && c.Mechanisms == nil:
		return mech.MechanismUnavailable, nothingSaid
	case c.Mechanisms == nil && m.OnlyIfNamed:
		return mech.MechanismUnavailable, "used only if asked for by name"
	case !c.MechanismFilter.Permits(m.Name):
		return mech.MechanismUnavailable, c.MechanismFilter.explain(m.Name)
	case m.Need == mech.NeedExternal && c.Channel.External == "":
		return mech.MechanismUnavailable, "the channel proves no identity"
	case (m.Need == mech.NeedPassword || m.Need == mech.NeedSecret) && (c.Credentials.Username == "" || c.Credentials.Password == ""):
		return mech.MechanismUnavailable, "needs a user name and a password"
	case m.Need == mech.NeedToken && c.Credentials.Token == nil:
		return mech.MechanismUnavailable, "needs a token"
	case m == mech.XOAUTH2 && c.Credentials.Username == "" && c.Credentials.Authzid == "":
		return mech.MechanismUnavailable, "needs a user name"
	case m.TLSOnly && !c.Channel.Secure && c.Policy.Required(false) != 0:
		return mech.EncryptionRequired, "only under TLS"
	case missing != 0 && !c.Channel.Secure && c.Policy.Missing(m, true) == 0:
		return mech.EncryptionRequired, "only under TLS"
	case missing != 0:
		return mech.TooWeak, "the policy asks for " + missing.String()
	case c.Layers.Min > c.Layers.Strongest(m):
		return mech.EncryptionRequired, fmt.Sprintf("has no security layer of strength %d, only under TLS", c.Layers.Min)
	}
	return c.againstBinding(m)
}

// againstBinding is against for what concerns channel binding.
func (c *ClientConfig) againstBinding(m *mech.Mechanism) (mech.Class, string) {
	switch {
	case !m.Binds && c.ChannelBinding == BindRequired:
		return mech.TooWeak, "channel binding is required"
	case !m.Binds:
		return 0, ""
	case c.ChannelBinding == BindNever:
		return mech.MechanismUnavailable, "channel binding is not wanted"
	case mech.CanBind(c.Channel.Binding, c.BindingTypes):
		return 0, ""
	case !c.Channel.Secure:
		return mech.EncryptionRequired, "binds to TLS"
	}
	return mech.MechanismUnavailable, "the channel has nothing to bind to"
}

// noChoice is the error when something speaks against every mechanism. Its class
// is that of the mechanism that came closest, as the order of the three classes
// has it: what lacks only TLS has a cure. What nobody asked for and nobody offers is not
// worth a word.
func (c *ClientConfig) noChoice(all []verdict) *Error {
	e := &Error{Class: mech.MechanismUnavailable, Code: "mechanism-unavailable"}
	var reasons []string
	names := map[string][]string{}
	for _, v := range all {
		if v.reason == notAskedFor || v.reason == nothingSaid || v.reason == notOffered && c.Mechanisms == nil {
			continue
		}
		e.Class = max(e.Class, v.class)
		if names[v.reason] == nil {
			reasons = append(reasons, v.reason)
		}
		names[v.reason] = append(names[v.reason], v.name)
	}
	for i, reason := range reasons {
		reasons[i] = reason + ": " + listed(names[reason])
	}
	switch {
	case c.Offered == nil && c.Mechanisms == nil:
		reasons = []string{"neither Offered nor Mechanisms is set"}
	case len(reasons) == 0:
		reasons = []string{"none is offered by the server"}
	case e.Class == mech.EncryptionRequired:
		reasons = append(reasons, "the channel is in the clear")
	case names[notOffered] != nil && len(c.Offered) > 0:
		reasons = append(reasons, "it offers "+listed(c.Offered))
	}
	e.Err = errors.New("saslkit: no usable mechanism (" + strings.Join(reasons, "; ") + ")")
	return e
}

// maxListed bounds the names in a sentence: our own mechanisms fit, and a server
// cannot make it long.
const maxListed = 24

func listed(names []string) string {
	if more := len(names) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), more)
	}
	return strings.Join(names, ", ")
}
