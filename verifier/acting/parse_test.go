package acting

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/realm"
)

func TestParse(t *testing.T) {
	t.Parallel()
	r := parse(t, home, siteLines...)
	want := `@night *@example.org
@night = hal@example.com
@support = bob@example.com
@support = carol@example.com
@support = erin@example.org
@support help@example.com
alice@example.com desk@example.org
alice@example.com info@example.com
alice@example.com sales@example.com
bob@example.com carol@example.com
carol@example.com dora@example.com
postmaster@example.com *@example.com
root@example.com *
root@example.com postmaster@example.com
`
	if diff := cmp.Diff(want, r.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	crlf, err := Parse("acting", strings.NewReader("a b\r\n\r\n# x\r\n"), Options{})
	if err != nil || crlf.String() != "a b\n" {
		t.Errorf("carriage returns: %q, %v", crlf, err)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		line       int
		reason     string
	}{
		{"nothing but who", "alice\n", 1, `"alice@example.com" may act as nobody`},
		{"nothing before a comment", "a b\nalice # sales\n", 2, `"alice@example.com" may act as nobody`},
		{"no end of the last line", "a b\nalice sale", 2, "end it with a newline"},
		{"everybody acts", "* sales\n", 1, "cannot act"},
		{"everybody of a realm acts", "*@example.com sales\n", 1, "cannot act"},
		{"part of a name", "alice sales*\n", 1, "'*' stands alone"},
		{"part of a realm", "alice *@*.example.com\n", 1, "is no realm"},
		{"two stars", "alice **\n", 1, "'*' stands alone"},
		{"a star in who acts", "al*ce sales\n", 1, "'*' stands alone"},
		{"a wide star", "alice ＊\n", 1, "'*' stands alone"},
		{"a realm that is missing", "alice *@\n", 1, "without a realm"},
		{"two at signs of a realm", "alice *@a@b\n", 1, "is no realm"},
		{"two at signs", "alice a@b@example.com\n", 1, "more than one '@'"},
		{"half a name", "alice bob@\n", 1, "half a name"},
		{"a wide at sign", "alice ＠bob\n", 1, "does not begin with '@'"},
		{"as a group", "alice @support\n@support = bob\n", 1, "nobody acts as a group"},
		{"a realm that looks like a group", "@example.com desk\n", 1, "there is no group @example.com"},
		{"a group that is not there", "a b\n@support help\n@support desk\n", 2, "there is no group @support"},
		{"two that are not there", "@z help\n@a desk\n", 1, "there is no group @z"},
		{"a group of nobody", "@support =\n", 1, "nobody is in @support"},
		{"a group that may do nothing", "@support\n", 1, `"@support" may act as nobody`},
		{"a group in a group", "@a = b\n@support = @a\n", 2, "list them"},
		{"everybody in a group", "@support = *\n", 1, "'*' stands alone"},
		{"a group without a name", "@ x\n", 1, "the name of a group"},
		{"no space before =", "@support= bob\n", 1, "spaces go around ="},
		{"no space around =", "@support=bob\n", 1, "spaces go around ="},
		{"a long name of a group", "@" + strings.Repeat("x", 65) + " = a\n", 1, "1 to 64"},
		{"a definition of a user", "alice = bob\n", 1, "after a @group only"},
		{"a second =", "@g = a = b\n", 1, "after a @group only"},
		{"the same pair", "alice sales\nbob sales\nalice@example.com sales@example.com\n", 3, "already, by line 1"},
		{"the same pair in a line", "alice sales sales\n", 1, "already, by line 1"},
		{"the same pattern", "root *\nroot x *\n", 2, "already, by line 1"},
		{"the same realm", "root *@a\nroot *@a\n", 2, "already, by line 1"},
		{"the same member", "@g = a\n@g = b a\n", 2, "is in @g already, by line 1"},
		{"the same name otherwise written", "a ﬁne\na fine\n", 2, "already, by line 1"},
		{"quotes", "\"al ice\" sales\n", 1, "cannot be in a name"},
		{"a comment without a space", "alice sales#x\n", 1, "a comment begins after a space"},
		{"a colon is a character", "alice: sales\nalice: sales\n", 2, "already"},
		{"a no-break space", "alice sales\u00a0info\n", 1, "spaces cannot be in a name"},
		{"a byte order mark and a comment", "\ufeff# x\n", 1, "a comment begins after a space"},
		{"a byte order mark and a group", "\ufeff@g = x\n", 1, "does not begin with '@'"},
		{"what vanishes", "alice \u00ad\n", 1, "a name is empty"},
		{"NUL", "alice\x00 sales\n", 1, "control character"},
		{"an escape", "alice \x1b[1msales\n", 1, "control character"},
		{"a carriage return within", "alice sales\rbob *\n", 1, "control character"},
		{"not UTF-8", "alice s\xe4les\n", 1, "not UTF-8"},
		{"not UTF-8 in a comment", "# s\xe4les\n", 1, "not UTF-8"},
		{"a forbidden character", "alice \u200ex\n", 1, "cannot be a name"},
		{"a long line", "a b\nalice " + strings.Repeat("x", MaxLine) + "\n", 2, "over 4096 bytes"},
		{"a long comment", "#" + strings.Repeat("x", MaxLine) + "\n", 1, "over 4096 bytes"},
	} {
		r, err := Parse("rules", strings.NewReader(tt.text), Options{Realm: home})
		var syntax *SyntaxError
		switch {
		case r != nil || !errors.As(err, &syntax):
			t.Errorf("%s: %v, %v", tt.name, r, err)
		case syntax.Line != tt.line || syntax.File != "rules" || !strings.Contains(err.Error(), tt.reason):
			t.Errorf("%s: %v; want line %d and %q", tt.name, err, tt.line, tt.reason)
		case len(err.Error()) > 1500:
			t.Errorf("%s: an error of %d bytes", tt.name, len(err.Error()))
		}
	}
}

func TestParseLong(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("x", MaxLine-2) + " y\n"
	if _, err := Parse("rules", strings.NewReader(line), Options{}); err != nil {
		t.Errorf("the longest line: %v", err)
	}
	whole := strings.Repeat("#\n", MaxFile/2)
	if _, err := Parse("rules", strings.NewReader(whole), Options{}); err != nil {
		t.Errorf("the longest file: %v", err)
	}
	endless := io.MultiReader(strings.NewReader(whole), strings.NewReader("\n"), iotest.ErrReader(errors.New("read on")))
	if r, err := Parse("rules", endless, Options{}); r != nil || err == nil || !strings.Contains(err.Error(), "over 1048576 bytes") {
		t.Errorf("a longer one: %v, %v", r, err)
	}
	broken := iotest.ErrReader(errors.New("disk on fire"))
	if r, err := Parse("rules", broken, Options{}); r != nil || err == nil || !strings.HasPrefix(err.Error(), "acting: rules: disk on fire") {
		t.Errorf("a reader that fails: %v, %v", r, err)
	}
}

// FuzzParse: an error comes without rules and says a line, rules print and parse to
// themselves, and a name that the text does not have in any form is nobody's to act as
// but by a pattern.
func FuzzParse(f *testing.F) {
	f.Add(strings.Join(siteLines, "\n")+"\n", "alice", "sales", uint8(0))
	f.Add("root *\n", "root", "x", uint8(1))
	f.Add("@g = a@b@c\n@g *@b@c\n", "a", "b", uint8(2))
	f.Add("a b@c@d\nx@ y\n\ufeffa b\n", "a", "b@c@d", uint8(3))
	f.Add("a ＠b ＊ ﬁ\n", "a", "fi", uint8(4))
	f.Add("a b", "a", "b", uint8(0))
	f.Add("ע N\n", "ע", "N", uint8(3)) // with its realm the name cannot be prepared
	policies := []realm.Policy{
		home, {}, {Default: "b@c", Rule: realm.CyrusFirstAt}, {Default: "c", Rule: realm.CyrusLastAt},
		{Others: []string{"c"}}, {Rule: realm.CyrusFirstAt}, {Rule: realm.CyrusLastAt},
	}
	f.Fuzz(func(t *testing.T, text, who, whom string, policy uint8) {
		o := Options{Realm: policies[int(policy)%len(policies)]}
		r, err := Parse("rules", strings.NewReader(text), o)
		if err != nil {
			var syntax *SyntaxError
			if r != nil || errors.As(err, &syntax) && (syntax.Line < 1 || syntax.Line > 1+strings.Count(text, "\n")) {
				t.Fatalf("%v, %v", r, err)
			}
			return
		}
		printed := r.String()
		again, err := Parse("printed", strings.NewReader(printed), o)
		if err != nil {
			t.Fatalf("printed as %q: %v", printed, err)
		}
		if got := again.String(); got != printed {
			t.Fatalf("printed as %q, then as %q", printed, got)
		}
		user, in, err := o.Realm.Split(who)
		target, targetRealm, targetErr := o.Realm.Split(whom)
		if err != nil || targetErr != nil || user == "" {
			return
		}
		a, b := may(t, r, o.Realm, who, whom), may(t, again, o.Realm, who, whom)
		actor, acted := o.place(user, in), o.place(target, targetRealm)
		pattern := strings.Contains(printed, " *")
		if a != b || a && actor != acted && !pattern && !strings.Contains(printed, " "+acted.String()+"\n") {
			t.Fatalf("%q as %q: %v, then %v, by %q", who, whom, a, b, printed)
		}
	})
}
