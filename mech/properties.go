package mech

import (
	"fmt"
	"strings"
)

// Properties is a set of security properties. The bits and names are those of
// Cyrus SASL, which Postfix uses in smtpd_sasl_security_options.
type Properties uint16

const (
	NoPlaintext     Properties = 0x01 // safe against passive listening
	NoActive        Properties = 0x02 // safe against active (non-dictionary) attack
	NoDictionary    Properties = 0x04 // safe against passive dictionary attack
	ForwardSecrecy  Properties = 0x08 // breaking one session does not break the next
	NoAnonymous     Properties = 0x10 // tells who it is
	PassCredentials Properties = 0x20 // hands credentials on to the server
	MutualAuth      Properties = 0x40 // proves the server too

	// AnyMechanism takes the safe default of a Policy away: what is left to ask for
	// is what other bits say, and alone it asks for nothing. So AnyMechanism |
	// NoAnonymous permits passwords in the clear, and NoAnonymous does not.
	AnyMechanism Properties = 0x8000
)

var propertyNames = []struct {
	bit  Properties
	name string
}{
	{NoPlaintext, "noplaintext"},
	{NoActive, "noactive"},
	{NoDictionary, "nodictionary"},
	{ForwardSecrecy, "forward_secrecy"},
	{NoAnonymous, "noanonymous"},
	{PassCredentials, "pass_credentials"},
	{MutualAuth, "mutual_auth"},
}

// String lists the names as Postfix spells them, separated by ", ".
func (p Properties) String() string {
	var names []string
	for _, n := range propertyNames {
		if p&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// ParseProperties reads a list of property names separated by commas, white
// space or both, as in main.cf. An unknown name is an error: an option that is
// not understood must not be an option that is not applied. The list says everything, as
// with Postfix, so [AnyMechanism] is among the result: "noanonymous" permits passwords
// in the clear.
func ParseProperties(list string) (Properties, error) {
	p := AnyMechanism
next:
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		for _, n := range propertyNames {
			if strings.EqualFold(n.name, word) {
				p |= n.bit
				continue next
			}
		}
		return 0, fmt.Errorf("mech: unknown security option %q (known: %s)", word, ^AnyMechanism)
	}
	return p, nil
}

// A Policy says which properties a mechanism must provide, on a channel in the
// clear and on one under TLS. The zero Policy is safe: nobody anonymous, and no
// plaintext password in the clear. What a field asks for comes on top of that, unless
// it holds [AnyMechanism].
type Policy struct {
	Clear Properties // beside NoAnonymous and NoPlaintext
	TLS   Properties // beside NoAnonymous
}

// Required returns what a mechanism must provide on such a channel.
func (p Policy) Required(secure bool) Properties {
	asked, always := p.Clear, NoAnonymous|NoPlaintext
	if secure {
		asked, always = p.TLS, NoAnonymous
	}
	if asked&AnyMechanism != 0 {
		return asked &^ AnyMechanism
	}
	return asked | always
}

// Missing returns what the policy asks for on such a channel and m does not
// provide; 0 means that it permits m.
func (p Policy) Missing(m *Mechanism, secure bool) Properties {
	return p.Required(secure) &^ m.Provides
}
