package sql

import (
	"fmt"
	"strings"
)

// A token is what a template's %x stands for: the letter, or 0 for text.
type token byte

// The tokens.
const (
	noToken       token = 0
	tokenUser     token = 'u'
	tokenRealm    token = 'r'
	tokenProperty token = 'p'
	tokenValue    token = 'v'
)

// A template is a statement of the site's, taken apart into text that is sent as it
// is, places for the name of a property, and values to be bound.
type template struct {
	key    string // that the site writes it under
	pieces []piece
}

// A piece is one of the three.
type piece struct {
	text  string // SQL; or
	name  naming // the property's name; or
	bound []part // one bound parameter, made of these
}

// naming says how a property's name is written.
type naming uint8

const (
	notNamed   naming = iota
	bareName          // %p
	quotedName        // "%p"
)

// A part is text or a token.
type part struct {
	token token
	text  string
}

// values are what tokens stand for in one question.
type values struct {
	user, realm string
	property    string
	value       any // nil: NULL
}

// has reports whether a token is anywhere in the template.
func (t *template) has(want token) bool {
	for _, p := range t.pieces {
		if want == tokenProperty && p.name != notNamed {
			return true
		}
		for _, part := range p.bound {
			if part.token == want {
				return true
			}
		}
	}
	return false
}

// query is the statement for a property, with placeholders. The property is one of our
// constants, or a column's name that is one of them but for the case of its letters.
func (t *template) query(d Dialect, property string) string {
	var b strings.Builder
	n := 0
	for _, p := range t.pieces {
		switch {
		case p.name != notNamed:
			b.WriteString(property)
		case p.bound != nil:
			n++
			b.WriteString(d.placeholder(n))
		default:
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// args are the values for the placeholders.
func (t *template) args(v values) []any {
	var all []any
	for _, p := range t.pieces {
		if p.bound != nil {
			all = append(all, v.compose(p.bound))
		}
	}
	return all
}

// compose joins parts to one value. A value by itself keeps its type, and with NULL the
// whole is NULL.
func (v values) compose(parts []part) any {
	if len(parts) == 1 && parts[0].token == tokenValue {
		return v.value
	}
	var b strings.Builder
	for _, p := range parts {
		switch {
		case p.token == noToken:
			b.WriteString(p.text)
		case p.token == tokenValue && v.value == nil:
			return nil
		case p.token == tokenValue:
			fmt.Fprint(&b, v.value)
		default:
			b.WriteString(v.name(p.token))
		}
	}
	return b.String()
}

// name is what a token stands for that is a name.
func (v values) name(t token) string {
	switch t {
	case tokenUser:
		return v.user
	case tokenRealm:
		return v.realm
	case tokenProperty:
		return v.property
	}
	return ""
}

// readable reports whether the names of a question can be told from each other in what
// is composed of them: '%u@%r' of the user "a@b" would be what it is of "a" in another
// realm.
func (t *template) readable(v values) bool {
	for _, p := range t.pieces {
		for i := 0; i+2 < len(p.bound); i++ {
			first, between, second := p.bound[i], p.bound[i+1], p.bound[i+2]
			if first.token != noToken && second.token != noToken && strings.Contains(v.name(first.token), between.text) {
				return false
			}
		}
	}
	return true
}

// checkProperty says whether a property's name can be written where the template has
// it.
func (t *template) checkProperty(property string) error {
	for _, p := range t.pieces {
		if p.name == bareName && strings.Contains(property, "-") {
			return fmt.Errorf("sql: %s: %%p is not in quotes, which the name %s needs (write them as for a column's name)", t.key, property)
		}
	}
	return nil
}

// String writes the template so that it reads the same.
func (t *template) String() string {
	percent := strings.NewReplacer("%", "%%")
	quoted := strings.NewReplacer("%", "%%", "'", "''")
	var b strings.Builder
	for _, p := range t.pieces {
		switch {
		case p.name != notNamed:
			b.WriteString("%p")
		case p.bound != nil:
			b.WriteByte('\'')
			for _, part := range p.bound {
				if part.token != noToken {
					b.WriteByte('%')
					b.WriteByte(byte(part.token))
				} else {
					quoted.WriteString(&b, part.text)
				}
			}
			b.WriteByte('\'')
		default:
			percent.WriteString(&b, p.text)
		}
	}
	return b.String()
}
