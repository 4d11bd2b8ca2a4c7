package mech

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/saslkit/saslkit/verifier"
)

// TestNameProfile shows where the profiles differ; "" stands for a refusal.
func TestNameProfile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, saslprep, mapped, preserved string }{
		{"ASCII", "Alice", "Alice", "alice", "Alice"},
		{"with a realm", "Alice@Example.COM", "Alice@Example.COM", "alice@example.com", "Alice@Example.COM"},
		{"ASCII symbols", "a!b%c~", "a!b%c~", "a!b%c~", "a!b%c~"},
		{"soft hyphen", "I\u00adX", "IX", "", ""},
		{"roman numeral nine", "\u2168", "IX", "", ""},
		{"feminine ordinal", "\u00aa", "a", "", ""},
		{"wide A", "\uff21", "A", "a", "A"},
		{"narrow kana with its mark", "\uff76\uff9e", "\u30ac", "\u30ac", "\u30ac"},
		{"no-break space", "a\u00a0b", "a b", "", ""},
		{"space", "a b", "a b", "", ""},
		{"emoji", "\U0001f600", "\U0001f600", "", ""},
		{"Angstrom", "\u212b", "\u00c5", "\u00e5", "\u00c5"},
		{"Kelvin", "\u212a", "K", "k", "K"},
		{"e and accent", "e\u0301", "\u00e9", "\u00e9", "\u00e9"},
		{"alef and a digit", "\u06271", "", "\u06271", "\u06271"},
		{"alef and a letter", "\u0627a", "", "", ""},
		{"a digit and alef", "1\u0627", "", "", ""},
		{"accent after a digit", "1\u00e9", "1\u00e9", "1\u00e9", "1\u00e9"}, // x/text's profiles refuse it
		{"accent before a symbol", "\u00e9-", "\u00e9-", "\u00e9-", "\u00e9-"},
		{"capital sharp s", "\u1e9e", "\u1e9e", "\u00df", "\u1e9e"},
		{"final sigma", "\u0391\u03a3", "\u0391\u03a3", "\u03b1\u03c3", "\u0391\u03a3"},
		{"Turkish I", "\u0130", "\u0130", "i\u0307", "\u0130"},
		{"middle dot between l and l", "l\u00b7l", "l\u00b7l", "l\u00b7l", "l\u00b7l"},
		{"middle dot elsewhere", "a\u00b7b", "a\u00b7b", "", ""},
		{"joiner", "a\u200db", "ab", "", ""},
		{"control", "a\x7f", "", "", ""},
		{"NUL", "a\x00b", "", "", ""},
		{"not UTF-8", "a\xff", "", "", ""},
		{"half a letter at the end", "a\xc3", "", "", ""},
		{"empty", "", "", "", ""},
		{"nothing left", "\u00ad", "", "", ""},
		{"forty accents", "a" + strings.Repeat("\u0301", 40), "\u00e1" + strings.Repeat("\u0301", 39), "", ""},
		{"1,024 bytes", strings.Repeat("a", 1024), strings.Repeat("a", 1024), strings.Repeat("a", 1024), strings.Repeat("a", 1024)},
		{"1,025 bytes", strings.Repeat("a", 1025), "", "", ""},
		{"too long when prepared", strings.Repeat("\ufdfa", 100), "", "", ""},
	} {
		for p, want := range map[NameProfile]string{SASLprep: c.saslprep, UsernameCaseMapped: c.mapped, UsernameCasePreserved: c.preserved} {
			got, err := p.Prepare(c.in)
			if got != want || (err != nil) != (want == "") {
				t.Errorf("%s, %v: %+q, %v; want %+q", c.name, p, got, err, want)
			}
		}
	}
	if got, err := NameProfile(3).Prepare("alice"); err == nil || got != "" {
		t.Errorf("a profile that does not exist prepares %q, %v", got, err)
	}
}

// FuzzPrepareName: what was prepared is valid and does not change when prepared
// again, so that a name that a store shows can be typed.
func FuzzPrepareName(f *testing.F) {
	for _, seed := range []string{"Alice", "\u0130", "\uff76\uff9e", "\u212b\u0301", "\u06271", "a\u0345\u0301", "\u0391\u03a3"} {
		for p := range len(profileNames) {
			f.Add(uint8(p), seed)
		}
	}
	f.Fuzz(func(t *testing.T, profile uint8, name string) {
		p := NameProfile(profile % uint8(len(profileNames)))
		prepared, err := p.Prepare(name)
		if err != nil {
			if prepared != "" {
				t.Fatalf("%v: %+q with error %v", p, prepared, err)
			}
			return
		}
		if prepared == "" || len(prepared) > maxNameLimit || !utf8.ValidString(prepared) || strings.ContainsAny(prepared, "\x00\r\n") {
			t.Fatalf("%v prepares %+q as %+q", p, name, prepared)
		}
		if again, err := p.Prepare(prepared); err != nil || again != prepared {
			t.Fatalf("%v prepares %+q as %+q, and that as %+q, %v", p, name, prepared, again, err)
		}
	})
}

// lookups counts what a server asks about names.
type lookups struct {
	nobody
	asked []string
}

func (l *lookups) VerifyPassword(_ context.Context, name, _ string) (verifier.Account, error) {
	l.asked = append(l.asked, name)
	return verifier.Account{}, verifier.ErrNoUser
}

// TestRefusedNames: a name that the profile refuses, or that is too long before
// or after, is refused without a look-up.
func TestRefusedNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\ufdfa", 10) // 30 bytes, prepared 330
	for _, c := range []struct {
		name   string
		names  NameProfile
		limit  int
		plain  string // authzid and authcid
		class  Class
		code   string
		lookup string
	}{
		{"mapped", UsernameCaseMapped, 0, "\x00Alice", BadCredentials, "bad-credentials", "alice"},
		{"preserved", UsernameCasePreserved, 0, "\x00Alice", BadCredentials, "bad-credentials", "Alice"},
		{"SASLprep maps", SASLprep, 0, "\x00I\u00adX", BadCredentials, "bad-credentials", "IX"},
		{"refused by a profile", UsernameCaseMapped, 0, "\x00I\u00adX", Malformed, "prep", ""},
		{"refused authzid", UsernameCaseMapped, 0, "a b\x00Alice", Malformed, "prep", ""},
		{"refused by SASLprep", SASLprep, 0, "\x00\u06271", Malformed, "prep", ""},
		{"unknown profile", 7, 0, "\x00Alice", Malformed, "prep", ""},
		{"empty when prepared", SASLprep, 0, "\x00\u00ad", Malformed, "prep", ""},
		{"empty", UsernameCaseMapped, 0, "\x00", Malformed, "malformed", ""},
		{"not UTF-8", UsernameCaseMapped, 0, "\x00\xff", Malformed, "malformed", ""},
		{"256 bytes", UsernameCaseMapped, 0, "\x00" + strings.Repeat("a", 256), Limit, "too-long", ""},
		{"long when prepared", SASLprep, 0, "\x00" + long, Limit, "too-long", ""},
		{"long when prepared, limit raised", SASLprep, 330, "\x00" + long, BadCredentials, "bad-credentials", strings.Repeat("\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647 \u0648\u0633\u0644\u0645", 10)},
		{"over the hard maximum when prepared", SASLprep, 1024, "\x00" + strings.Repeat("\ufdfa", 40), Limit, "too-long", ""},
	} {
		b := new(lookups)
		s := PLAIN.NewServer(&ServerConfig{Names: c.names, Limits: Limits{Name: c.limit}}, b)
		o := s.Step(t.Context(), []byte(c.plain+"\x00secret"))
		if o.State != Failed || o.Err.Class != c.class || o.Err.Code != c.code || strings.Join(b.asked, " ") != c.lookup {
			t.Errorf("%s: %v %v, asked for %+q; want class %v, code %s, %+q", c.name, o.State, o.Err.Detail(), b.asked, c.class, c.code, c.lookup)
		}
	}
}

// TestPasswordsAreNotNames: the profile of names does not touch the password.
func TestPasswordsAreNotNames(t *testing.T) {
	t.Parallel()
	var got []string
	b := passwordTold{told: &got}
	s := PLAIN.NewServer(&ServerConfig{Names: UsernameCaseMapped}, b)
	if o := s.Step(t.Context(), []byte("\x00Alice\x00Se\u00adcret \u2168")); o.State != Failed || errors.Is(o.Err, ErrExchangeOver) {
		t.Fatalf("%v %v", o.State, o.Err)
	}
	if got[0] != "Secret IX" {
		t.Errorf("password is %q", got)
	}
}

// TestPasswordAsTyped: a password that SASLprep changes is asked about in both forms,
// until one is not refused, by PLAIN and LOGIN; others once.
func TestPasswordAsTyped(t *testing.T) {
	t.Parallel()
	for received, want := range map[string][]string{
		"x\u00b2 sch\u00f6n": {"x2 sch\u00f6n", "x\u00b2 sch\u00f6n"},
		"scho\u0308n":        {"sch\u00f6n", "scho\u0308n"},
		"sch\u00f6n":         {"sch\u00f6n"},
		"plain":              {"plain"},
		"not\x07 prepared":   {"not\x07 prepared"},
		"\u00ad":             nil, // nothing is left of it
	} {
		var got []string
		b := passwordTold{told: &got}
		PLAIN.NewServer(&ServerConfig{}, b).Step(t.Context(), []byte("\x00al\x00"+received))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("PLAIN, %q: -want +got\n%s", received, diff)
		}
		got = nil
		s := LOGIN.NewServer(&ServerConfig{}, b)
		s.Step(t.Context(), []byte("al"))
		s.Step(t.Context(), []byte(received))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("LOGIN, %q: -want +got\n%s", received, diff)
		}
	}
	var got []string
	b := passwordTold{told: &got, err: verifier.ErrUnavailable}
	PLAIN.NewServer(&ServerConfig{}, b).Step(t.Context(), []byte("\x00al\x00x\u00b2"))
	if len(got) != 1 {
		t.Errorf("trouble with the first form, and %d questions", len(got))
	}
}

type passwordTold struct {
	nobody
	told *[]string
	err  error // nil: wrong password
}

func (p passwordTold) VerifyPassword(_ context.Context, _, password string) (verifier.Account, error) {
	*p.told = append(*p.told, password)
	if p.err != nil {
		return verifier.Account{}, p.err
	}
	return verifier.Account{}, verifier.ErrWrongPassword
}
