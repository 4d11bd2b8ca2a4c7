package sql

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A TemplateError is what is wrong with a statement of the site's.
type TemplateError struct {
	Key    string // "sql_select"
	Offset int    // bytes from the statement's start
	Reason string // with the cure
}

// Error returns "sql: KEY: byte OFFSET: reason". It does not quote the statement.
func (e *TemplateError) Error() string {
	return fmt.Sprintf("sql: %s: byte %d: %s", e.Key, e.Offset, e.Reason)
}

// maxTemplate bounds a statement, in bytes: Cyrus's files have lines of 4,096.
const maxTemplate = 8192

const blanks = " \t\r\n"

// A parser takes a template apart. What it does not understand for certain it refuses:
// whatever reads differently with another setting of the server could be read by the
// server as something else than by us.
type parser struct {
	key     string
	text    string
	dialect Dialect
	tokens  string // that this statement may have
	at      int
	pieces  []piece
}

// parse reads a template. tokens are the letters that may stand behind a %.
func parse(key, text string, d Dialect, tokens string) (*template, error) {
	text = strings.TrimRight(text, blanks)
	text = strings.Trim(strings.TrimSuffix(text, ";"), blanks)
	p := &parser{key: key, text: text, dialect: d, tokens: tokens}
	switch {
	case text == "":
		return nil, p.fail("the statement is empty")
	case len(text) > maxTemplate:
		return nil, p.fail(fmt.Sprintf("the statement has %d bytes, more than %d", len(text), maxTemplate))
	case !utf8.ValidString(text) || strings.Contains(text, "\x00"):
		return nil, p.fail("the statement is not UTF-8 (save the file as such)")
	}
	for p.at < len(text) {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	return &template{key: key, pieces: p.pieces}, nil
}

func (p *parser) fail(reason string) error { return &TemplateError{p.key, p.at, reason} }

// next reads something, one byte at least.
func (p *parser) next() error {
	c, rest := p.text[p.at], p.text[p.at:]
	switch {
	case c == '\'', c == '"' && p.dialect == MySQL:
		return p.literal(c)
	case c == '"', c == '`' && p.dialect != PostgreSQL:
		return p.name(c)
	case c == '[' && p.dialect == SQLite:
		return p.name(']')
	case c == '%':
		return p.bareToken()
	case c == ';':
		return p.fail("a second statement (one is allowed)")
	case c == '\\':
		return p.fail("a backslash")
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "/*"), c == '#' && p.dialect == MySQL:
		return p.fail("a comment (leave it out)")
	case strings.IndexByte(p.dialect.reserved(), c) >= 0:
		return p.fail(fmt.Sprintf("%q cannot stand outside of quotes (values are %%u and %%r)", c))
	}
	p.addText(rest[:1])
	p.at++
	return nil
}

// bareToken reads a token outside of quotes.
func (p *parser) bareToken() error {
	t, text, err := p.token()
	switch {
	case err != nil:
		return err
	case t == noToken:
		p.addText(text)
	case t == tokenProperty:
		p.pieces = append(p.pieces, piece{name: bareName})
	default:
		return p.addBound([]part{{token: t}})
	}
	return nil
}

// token reads a token, or a %% as text.
func (p *parser) token() (token, string, error) {
	rest := p.text[p.at:]
	if len(rest) < 2 {
		return 0, "", p.fail("a % at the end (write %%)")
	}
	c := rest[1]
	switch {
	case c == '%':
		p.at += 2
		return noToken, "%", nil
	case strings.IndexByte(p.tokens, c) >= 0:
		p.at += 2
		return token(c), "", nil
	}
	known := ""
	for _, t := range p.tokens {
		known += "%" + string(t) + " "
	}
	return 0, "", p.fail(fmt.Sprintf("%%%c has no meaning here (known: %s%%%%, which is a %%)", firstRune(rest[1:]), known))
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// literal reads a string. One with tokens becomes one bound parameter.
func (p *parser) literal(quote byte) error {
	begin := p.at
	var parts []part
	tokens := 0
	err := p.quoted(quote, func(t token, text string) error {
		if t == noToken {
			parts = appendText(parts, text)
			return nil
		}
		if t == tokenProperty && quote == '"' {
			return p.fail(`%p in "…" is a name or a text, as the server's sql_mode says (write it in backquotes, or in '…')`)
		}
		tokens++
		parts = append(parts, part{token: t})
		return nil
	})
	if err != nil {
		return err
	}
	if tokens == 0 {
		// As it was written but for %%.
		p.addText(strings.ReplaceAll(p.text[begin:p.at], "%%", "%"))
		return nil
	}
	end := p.at
	p.at = begin
	if begin > 0 && isWord(p.text[begin-1]) {
		return p.fail("what stands directly before the quote makes it another kind of string (leave it out, or write a blank)")
	}
	for i := 1; i < len(parts); i++ {
		if parts[i-1].token != noToken && parts[i].token != noToken {
			return p.fail("nothing between two tokens of one string, so that nobody can tell where the first ends (write two strings)")
		}
	}
	if err := p.addBound(parts); err != nil {
		return err
	}
	p.at = end
	return nil
}

// isWord reports whether a byte can belong to a word, or to the prefix of a string.
func isWord(b byte) bool {
	return b == '_' || b == '&' || b == '$' || b >= 0x80 ||
		'0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}

func appendText(parts []part, text string) []part {
	if n := len(parts); n > 0 && parts[n-1].token == noToken {
		parts[n-1].text += text
		return parts
	}
	return append(parts, part{text: text})
}

// name reads the quoted name of a column or table, in which only a property's name may
// be put.
func (p *parser) name(end byte) error {
	p.addText(p.text[p.at : p.at+1])
	err := p.quoted(end, func(t token, text string) error {
		switch t {
		case noToken:
			if text == string(end) {
				text += text
			}
			p.addText(text)
		case tokenProperty:
			p.pieces = append(p.pieces, piece{name: quotedName})
		default:
			return p.fail(fmt.Sprintf("%%%c in the quotes of names (write '%%%c')", t, t))
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.addText(string(end))
	return nil
}

// quoted reads from an opening quote to behind the closing one, and tells what is in
// between: tokens, and text in which doubled quotes are single.
func (p *parser) quoted(end byte, found func(t token, text string) error) error {
	begin := p.at
	p.at++
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == end && end != ']' && p.at+1 < len(p.text) && p.text[p.at+1] == end:
			p.at += 2
			if err := found(noToken, string(end)); err != nil {
				return err
			}
		case c == end:
			p.at++
			return nil
		case c == '\\' && p.dialect != SQLite:
			return p.fail("a backslash in quotes, which the server reads as its settings say (write '' for a quote)")
		case c == '%':
			t, text, err := p.token()
			if err == nil {
				err = found(t, text)
			}
			if err != nil {
				return err
			}
		default:
			if err := found(noToken, p.text[p.at:p.at+1]); err != nil {
				return err
			}
			p.at++
		}
	}
	p.at = begin
	return p.fail("the quote is not closed")
}

// addText adds SQL. Behind a parameter there is a blank, as digits must not follow $1.
func (p *parser) addText(text string) {
	n := len(p.pieces)
	if n > 0 && p.pieces[n-1].bound != nil && strings.IndexByte(blanks, text[0]) < 0 {
		text = " " + text
	}
	if n > 0 && p.pieces[n-1].bound == nil && p.pieces[n-1].name == notNamed {
		p.pieces[n-1].text += text
		return
	}
	p.pieces = append(p.pieces, piece{text: text})
}

// addBound adds a parameter, with a blank before it.
func (p *parser) addBound(parts []part) error {
	if n := len(p.pieces); n > 0 {
		last := p.pieces[n-1]
		if last.bound != nil || last.name != notNamed || strings.IndexByte(blanks, last.text[len(last.text)-1]) < 0 {
			p.addText(" ")
		}
		last = p.pieces[len(p.pieces)-1]
		for _, part := range parts {
			if (part.token == tokenUser || part.token == tokenRealm) && isPattern(last.text) {
				return p.fail("a name would be a pattern there, and % everybody (write =)")
			}
		}
	}
	p.pieces = append(p.pieces, piece{bound: parts})
	return nil
}
