package main

import "strings"

// A socketPolicy is what a socket may have of its own.
type socketPolicy struct {
	realm       string
	hasRealm    bool
	mechList    string // names separated by spaces; "" is none of its own
	security    string // what a mechanism must be in the clear
	hasSecurity bool
}

// or takes what p leaves open from q.
func (p socketPolicy) or(q socketPolicy) socketPolicy {
	if !p.hasRealm {
		p.realm, p.hasRealm = q.realm, q.hasRealm
	}
	if p.mechList == "" {
		p.mechList = q.mechList
	}
	if !p.hasSecurity {
		p.security, p.hasSecurity = q.security, q.hasSecurity
	}
	return p
}

// cutPolicy takes ",realm=R", ",mech-list=A+B" and ",security-options=A+B" out of a
// SOCKET, whose options are separated by commas.
func cutPolicy(text string) (p socketPolicy, rest string) {
	where, options, _ := strings.Cut(text, ",")
	if options == "" {
		return p, text
	}
	rest = where
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		list := strings.ReplaceAll(value, "+", " ")
		switch key {
		case "realm":
			p.realm, p.hasRealm = value, true
		case "mech-list":
			p.mechList = list
		case "security-options":
			p.security, p.hasSecurity = list, true
		default:
			rest += "," + option
		}
	}
	return p, rest
}
