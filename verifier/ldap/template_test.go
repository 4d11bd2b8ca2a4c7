package ldap

import (
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

func mustTemplate(t testing.TB, f form, text string) template {
	t.Helper()
	parsed, err := parseTemplate(f, text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return parsed
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	all := values{user: "al@mail.example.com", realm: "r.example", service: "imap", dn: `cn=Al\2c B,dc=x`}
	cut := values{user: "al", realm: "mail.example.com", service: "smtp"}
	for _, tt := range []struct {
		name, text string
		form       form
		values     values
		want       string
	}{
		{"every field", "(a=%u %U %d %r %R %s %%)", inFilter, all, `(a=al@mail.example.com al mail.example.com r.example @r.example imap %)`},
		{"labels", "(a=%1-%2-%3-%4)", inFilter, all, "(a=com-example-mail-)"},
		{"labels of the realm", "(a=%1-%2-%3-%4)", inFilter, cut, "(a=com-example-mail-)"},
		{"domain of the realm", "(mail=%U@%d)", inFilter, cut, "(mail=al@mail.example.com)"},
		{"no realm", "(a=%u%R %d%1)", inFilter, values{user: "al"}, "(a=al )"},
		{"DN in a filter", "(member=%D)", inFilter, all, `(member=cn\3dAl\5c2c\20B\2cdc\3dx)`},
		{"DN in a DN", "cn=x,%D", inDN, all, `cn=x,cn=Al\2c B,dc=x`},
		{"DN", "uid=%u,ou=%d,dc=x", inDN, values{user: " #a,b=c", realm: "y"}, `uid=\20\23a\2cb\3dc,ou=y,dc=x`},
		{"name", "%u@corp.example", inName, values{user: "al"}, "al@corp.example"},
		{"no parentheses", "uid=%u", inFilter, cut, "(uid=al)"},
		{"blanks between parts", " (& (a=%u ) (| (b=c)\t( d=e ) ) )", inFilter, cut, "(&(a=al )(|(b=c)( d=e )))"},
		{"a value that ends in a sign", "(|(a=%u&  )(b=!))", inFilter, cut, "(|(a=al&  )(b=!))"},
	} {
		got, err := mustTemplate(t, tt.form, tt.text).expand(tt.values)
		if got != tt.want || err != nil {
			t.Errorf("%s: %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestTemplateRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		form form
		text string
	}{
		{inFilter, ""}, {inFilter, "(uid=%u"}, {inFilter, "(uid=%u))"}, {inFilter, "(uid=%x)"}, {inFilter, "(uid=%u)%"},
		{inFilter, "(%u=*)x"}, {inFilter, "(&(uid=%u)(x))"}, {inFilter, `(uid=\%u)`}, {inName, "%u"}, {inName, "%U%r"},
		{inFilter, "(uid=" + strings.Repeat("x", maxTemplate) + ")"},
	} {
		if got, err := parseTemplate(tt.form, tt.text); err == nil || got.parts != nil && got.form != tt.form {
			t.Errorf("%.40q is taken", tt.text)
		}
	}
}

// hostile are values that mean something to filters or DNs: every byte, alone and around
// others, and some phrases.
func hostile() []string {
	all := []string{"", "*", ")(uid=*", "*)(|(uid=*", `\2a`, `\`, `\\`, ",dc=example", "+uid=x", " x", "x ", "  ", "#x", "x\x00y", "\xff\xfe", "\xc3", "ä\xcc\x88", "a=b", `"a"`, "<x>;y", "x\r\n"}
	for c := range 256 {
		b := string([]byte{byte(c)})
		all = append(all, b, "x"+b, b+"x", b+"x"+b)
	}
	return all
}

const (
	everyField = "(&(objectClass=x)(|(uid=%u)(uid=%U)(a:dn:=%d)(b=%r*x)(bb=*%r*)(c>=%R)(d=x%s%1)(!(e=%D))))"
	everyValue = "uid=%u+cn=%U,ou=%d,o=%r,l=%R,cn=%s,dc=%1"
)

// assignments puts a value into each field by itself, and into all.
func assignments(v string) []values {
	return []values{{user: v}, {user: "x", realm: v}, {user: "x", service: v}, {user: "x", dn: v}, {user: v, realm: v, service: v, dn: v}}
}

// No value changes the tree of a filter, and every value arrives as it is.
func TestFilterStructure(t *testing.T) {
	t.Parallel()
	filter := mustTemplate(t, inFilter, everyField)
	for _, v := range hostile() {
		for _, vs := range assignments(v) {
			checkFilter(t, filter, vs)
		}
	}
}

func checkFilter(t *testing.T, filter template, v values) {
	t.Helper()
	text, err := filter.expand(v)
	if err != nil {
		if v.realm != "" || text != "" {
			t.Errorf("%q: %q, %v", v, text, err)
		}
		return
	}
	got, err := goldap.CompileFilter(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if shape, _ := shapeOf(text); shape != filter.shape {
		t.Errorf("%q has another structure than %v", text, filter)
	}
	if uid := got.Children[1].Children[0].Children[1].Value; uid != v.user {
		t.Errorf("(uid=%q) looks for %q", v.user, uid)
	}
}

func TestDNStructure(t *testing.T) {
	t.Parallel()
	dn := mustTemplate(t, inDN, everyValue)
	for _, v := range hostile() {
		for _, vs := range assignments(v) {
			checkDN(t, dn, vs)
		}
	}
}

func checkDN(t *testing.T, dn template, v values) {
	t.Helper()
	text, _ := dn.expand(v)
	parsed, err := goldap.ParseDN(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	var got, want []string
	for _, rdn := range parsed.RDNs {
		for _, a := range rdn.Attributes {
			got = append(got, a.Type+"="+a.Value)
		}
	}
	for _, f := range []string{"uid u", "cn U", "ou d", "o r", "l R", "cn s", "dc 1"} {
		name, field, _ := strings.Cut(f, " ")
		want = append(want, name+"="+v.of(field[0]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q is of other parts (-want +got):\n%s", text, diff)
	}
}

// Where a name is bound as, and no DN, nothing can make it one.
func TestNameStructure(t *testing.T) {
	t.Parallel()
	name := mustTemplate(t, inName, `CORP\%u`)
	for _, v := range hostile() {
		got, err := name.expand(values{user: v})
		if err == nil && (got != `CORP\`+v || strings.ContainsAny(v, "=,+\\/@\x00\r\n") && !strings.Contains(v, "@")) {
			t.Errorf("%q makes %q", v, got)
		}
		if err != nil && got != "" {
			t.Errorf("%q makes %q and %v", v, got, err)
		}
	}
}

// Templates are printed as they are read, and no value changes the structure.
func FuzzTemplate(f *testing.F) {
	f.Add("(&(uid=%u)(mail=%U@%d))", "al", "mail.example")
	f.Add("(uid=%%%u)", "*)(uid=*", "")
	f.Add("a=%1%2%9 ", `\2a`, "a..b.")
	f.Fuzz(func(t *testing.T, text, user, realm string) {
		for _, form := range []form{inFilter, inDN, inName} {
			parsed, err := parseTemplate(form, text)
			if err != nil {
				continue
			}
			again, err := parseTemplate(form, parsed.String())
			if err != nil || again.String() != parsed.String() {
				t.Errorf("%q is printed as %q: %v", text, parsed, err)
			}
			if made, err := parsed.expand(values{user: user, realm: realm}); form == inFilter && err == nil {
				if shape, bad := shapeOf(made); bad != nil || shape != parsed.shape {
					t.Errorf("%q makes %q: %v", text, made, bad)
				}
			}
		}
		checkFilter(t, mustTemplate(t, inFilter, everyField), values{user: user, realm: realm})
		checkDN(t, mustTemplate(t, inDN, everyValue), values{user: user, realm: realm})
	})
}
