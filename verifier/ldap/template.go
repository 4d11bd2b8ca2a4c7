package ldap

import (
	"errors"
	"fmt"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// A form says what a template makes, and so what a value in it may not change.
type form uint8

const (
	inFilter form = iota // RFC 4515
	inDN                 // RFC 4514
	inName               // user@example.com or EXAMPLE\user, as Active Directory takes in the place of a DN
)

// A template is text with fields, as in saslauthd.conf. The zero template makes "".
type template struct {
	form  form
	parts []part
	shape string // of the filters that it makes
}

// A part is text, or a field if that is not 0.
type part struct {
	text  string
	field byte
}

const fields = "uUdrRsD123456789"

// maxTemplate bounds a template, in bytes.
const maxTemplate = 8192

// parseTemplate reads a template. What it makes of filters is well-formed whatever the
// values.
func parseTemplate(f form, text string) (template, error) {
	if len(text) > maxTemplate {
		return template{}, fmt.Errorf("%d bytes, more than %d", len(text), maxTemplate)
	}
	if f == inFilter {
		text = tidy(text)
	}
	t := template{form: f}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			literal.WriteByte(text[i])
			continue
		}
		i++
		switch {
		case i == len(text):
			return template{}, errors.New("it ends with a single % (write %% for a per cent sign)")
		case text[i] == '%':
			literal.WriteByte('%')
		case strings.IndexByte(fields, text[i]) < 0:
			return template{}, fmt.Errorf("unknown field %q (known: %%u %%U %%d %%r %%R %%s %%D %%1 to %%9; write %%%% for a per cent sign)", text[i-1:i+1])
		default:
			flush()
			t.parts = append(t.parts, part{field: text[i]})
		}
	}
	flush()
	if err := t.check(); err != nil {
		return template{}, err
	}
	return t, nil
}

// check finds what could never work, by an example.
func (t *template) check() error {
	example, err := t.expand(values{user: "x@x.x.x.x.x.x.x.x.x", realm: "x", service: "x", dn: "cn=x"})
	switch {
	case err != nil:
		return err
	case t.form == inFilter:
		if t.shape, err = shapeOf(example); err != nil {
			return errors.New("no filter of RFC 4515 (are the parentheses balanced?)")
		}
	case t.form == inName && !t.hasText():
		return errors.New("it lets whoever logs in choose the whole name (write uid=%u,ou=people,dc=example or %u@example.com)")
	}
	return nil
}

// shapeOf is what a filter is made of, without its values.
func shapeOf(filter string) (string, error) {
	compiled, err := goldap.CompileFilter(filter)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	var walk func(*ber.Packet)
	walk = func(p *ber.Packet) {
		b.WriteByte('(')
		b.WriteByte(byte(p.ClassType) | byte(p.TagType) | byte(p.Tag))
		for _, c := range p.Children {
			walk(c)
		}
		b.WriteByte(')')
	}
	walk(compiled)
	return b.String(), nil
}

// tidy makes a filter that libldap takes one of RFC 4515: with its outer parentheses and
// without blanks between those of its parts.
func tidy(filter string) string {
	filter = strings.Trim(filter, " \t")
	if filter != "" && filter[0] != '(' {
		filter = "(" + filter + ")"
	}
	var b strings.Builder
	for i := 0; i < len(filter); i++ {
		b.WriteByte(filter[i])
		if !structural(filter, i) {
			continue
		}
		next := i + 1
		for next < len(filter) && (filter[next] == ' ' || filter[next] == '\t') {
			next++
		}
		if next < len(filter) && (filter[next] == '(' || filter[next] == ')') {
			i = next - 1
		}
	}
	return b.String()
}

// structural reports whether the byte ends a part, or is an operator: a blank behind it
// belongs to no value.
func structural(filter string, i int) bool {
	return filter[i] == ')' || i > 0 && strings.IndexByte("&|!", filter[i]) >= 0 && filter[i-1] == '('
}

// String is the template as it is written.
func (t template) String() string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.field != 0 {
			b.WriteByte('%')
			b.WriteByte(p.field)
		} else {
			b.WriteString(strings.ReplaceAll(p.text, "%", "%%"))
		}
	}
	return b.String()
}

func (t template) hasFields() bool {
	for _, p := range t.parts {
		if p.field != 0 {
			return true
		}
	}
	return false
}

func (t template) hasText() bool {
	for _, p := range t.parts {
		if p.field == 0 {
			return true
		}
	}
	return false
}

func (t template) hasUser() bool {
	for _, p := range t.parts {
		if p.field == 'u' || p.field == 'U' {
			return true
		}
	}
	return false
}

// values are those of one request.
type values struct {
	user, realm, service string
	dn                   string // of the user's entry, from the directory
}

// of is the value of a field. The documentation of Cyrus's %d says what is done here; its
// saslauthd 2.1.28 leaves %d empty where the name has no '@'.
func (v values) of(field byte) string {
	name, domain, _ := strings.Cut(v.user, "@")
	if domain == "" {
		domain = v.realm
	}
	switch field {
	case 'u':
		return v.user
	case 'U':
		return name
	case 'd':
		return domain
	case 'r':
		return v.realm
	case 'R':
		if v.realm == "" {
			return ""
		}
		return "@" + v.realm
	case 's':
		return v.service
	case 'D':
		return v.dn
	}
	return label(domain, int(field-'0'))
}

// label is the n-th label of a domain from its end; "" if it has not as many.
func label(domain string, n int) string {
	for ; n > 1; n-- {
		i := strings.LastIndexByte(domain, '.')
		if i < 0 {
			return ""
		}
		domain = domain[:i]
	}
	return domain[strings.LastIndexByte(domain, '.')+1:]
}

var (
	errNoName = errors.New("the name holds what no name of Active Directory does")
	errEmpty  = errors.New("without a value for every field the filter would find everybody")
)

// expand puts values into the template. An error means that nobody can be called that.
func (t template) expand(v values) (string, error) {
	var b strings.Builder
	empty := false
	for _, p := range t.parts {
		value := v.of(p.field)
		empty = empty || p.field != 0 && value == ""
		switch {
		case p.field == 0:
			b.WriteString(p.text)
		case t.form == inName:
			if strings.ContainsFunc(value, notInName) {
				return "", errNoName
			}
			b.WriteString(value)
		case t.form == inDN && p.field == 'D': // a DN already
			b.WriteString(value)
		default:
			escape(&b, value)
		}
	}
	if empty && t.shape != "" { // (mail=%u*) for nobody is (mail=*)
		if shape, err := shapeOf(b.String()); err != nil || shape != t.shape {
			return "", errEmpty
		}
	}
	return b.String(), nil
}

// notInName tells what could make a DN, or another domain's name, of a name.
func notInName(r rune) bool {
	return r < ' ' || r == 0x7f || strings.ContainsRune(`"/\[]:;|=,+*?<>`, r)
}

// escape writes a value as both filters (RFC 4515 section 3) and DNs (RFC 4514 section
// 2.4) have it: a backslash and two hex digits for every byte which is not one of those
// that mean nothing in either, wherever they stand.
func escape(b *strings.Builder, value string) {
	const digits = "0123456789abcdef"
	for i := range len(value) {
		c := value[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_', c == '@':
			b.WriteByte(c)
		default:
			b.WriteByte('\\')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
}
