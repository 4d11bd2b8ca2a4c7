package acting

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// home is a site with two realms.
var home = realm.Policy{Default: "example.com", Others: []string{"example.org"}}

func parse(t testing.TB, policy realm.Policy, lines ...string) *Rules {
	t.Helper()
	return parseWith(t, Options{Realm: policy}, lines...)
}

func parseWith(t testing.TB, o Options, lines ...string) *Rules {
	t.Helper()
	r, err := Parse("acting", strings.NewReader(strings.Join(lines, "\n")+"\n"), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// may asks as the root package does: names are cut by the policy, and one that it
// refuses is not asked about.
func may(t testing.TB, r *Rules, policy realm.Policy, who, whom string) bool {
	t.Helper()
	user, in, err := policy.Split(who)
	if err != nil {
		t.Fatal(err)
	}
	target, targetRealm, err := policy.Split(whom)
	if err != nil {
		return false
	}
	err = r.Authorize(t.Context(), verifier.Account{User: user, Realm: in}, target, targetRealm)
	if err != nil && !errors.Is(err, verifier.ErrNotPermitted) {
		t.Errorf("%q as %q: %v", who, whom, err)
	}
	return err == nil
}

var siteLines = []string{
	"# who acts as whom",
	"",
	"alice@example.com  sales@example.com  info   # a comment",
	"alice              desk@example.org",
	"bob                carol",
	"carol              dora",
	"@support = bob@example.com carol",
	"@support = erin@example.org",
	"@support           help",
	"postmaster         *@example.com",
	"root               *",
	"root               postmaster",
	"@night = hal",
	"@night *@example.org",
}

func TestRules(t *testing.T) {
	t.Parallel()

	r := parse(t, home, siteLines...)
	for _, tt := range []struct {
		name, who, whom string
		want            bool
	}{
		{"a listed pair", "alice", "sales", true},
		{"both in full", "alice@example.com", "sales@example.com", true},
		{"a name without a realm in the file", "alice", "info@example.com", true},
		{"a second line", "alice", "desk@example.org", true},
		{"the same name of another realm", "alice@example.org", "sales", false},
		{"a target of another realm", "alice", "sales@example.org", false},
		{"a realm that is not served", "alice", "sales@example.net", false},
		{"not listed", "alice", "carol", false},
		{"not listed at all", "mallory", "sales", false},
		{"the other way round", "sales", "alice", false},
		{"oneself in another spelling", "alice", "alice@example.com", true},
		{"case of who acts", "Alice", "sales", false},
		{"case of a target", "alice", "Sales", false},
		{"case of a realm", "alice", "sales@Example.com", false},
		{"rules do not add up", "bob", "dora", false},
		{"a group", "bob", "help", true},
		{"a member of another realm", "erin@example.org", "help", true},
		{"the same name of another realm is no member", "erin", "help", false},
		{"own rule of a member", "carol", "dora", true},
		{"not a member's", "erin@example.org", "dora", false},
		{"as a member", "erin@example.org", "bob", false},
		{"the name of a group", "support", "help", false},
		{"a realm", "postmaster", "anybody", true},
		{"another realm", "postmaster", "anybody@example.org", false},
		{"everybody", "root", "anybody", true},
		{"everybody of another realm", "root", "anybody@example.org", true},
		{"everybody, who acts by rules as well", "root", "alice", true},
		{"a pattern of a group", "hal", "anybody@example.org", true},
		{"a master by a pattern", "postmaster", "root", false},
		{"a master by a pattern, in capitals", "postmaster", "ROOT", false},
		{"a master of a group by a pattern", "postmaster", "hal", false},
		{"a master by name", "root", "postmaster", true},
		{"a master by everybody", "root", "hal", false},
		{"a master as oneself", "root", "root@example.com", true},
		{"a pattern and no user", "root", "@example.com", false},
		{"a pattern and a wide spelling", "root", "ｂob", false},
		{"a pattern and a control character", "root", "bob\x01", false},
		{"a pattern and a soft hyphen", "root", "b\u00adob", false},
		{"a pattern and what is not UTF-8", "root", "b\xffob", false},
		{"a pattern and a letter that is prepared", "root", "jürgen", true},
		{"a star as a name, by a pattern", "postmaster", "*", true},
		{"a star as a name, of another realm", "postmaster", "*@example.org", false},
		{"the pattern itself", "alice", "*", false},
		{"the pattern of a realm", "alice", "*@example.com", false},
	} {
		if got := may(t, r, home, tt.who, tt.whom); got != tt.want {
			t.Errorf("%s: %q as %q: %v", tt.name, tt.who, tt.whom, got)
		}
	}
}

// Where there are no realms a name is the user as it stands, and "*@realm" covers those
// that look so.
func TestRulesWithoutRealms(t *testing.T) {
	t.Parallel()
	r := parse(t, realm.Policy{}, "alice@example.com sales@example.com", "hans post", "postmaster@example.com *@example.com")
	for _, tt := range []struct {
		who, whom string
		want      bool
	}{
		{"alice@example.com", "sales@example.com", true},
		{"alice@example.com", "sales", false},
		{"alice", "sales@example.com", false},
		{"hans", "post", true},
		{"hans", "post@example.com", false},
		{"postmaster@example.com", "bob@example.com", true},
		{"postmaster@example.com", "bob@xexample.com", false},
		{"postmaster@example.com", "bob@sub.example.com", false},
		{"postmaster@example.com", "bob", false},
		{"postmaster@example.com", "@example.com", false},
		{"postmaster@example.com", "bob@", false},
	} {
		if got := may(t, r, realm.Policy{}, tt.who, tt.whom); got != tt.want {
			t.Errorf("%q as %q: %v", tt.who, tt.whom, got)
		}
	}
}

// With two '@' the realm begins where the policy says.
func TestRulesOfCyrus(t *testing.T) {
	t.Parallel()
	first, last := realm.Policy{Default: "b@c", Rule: realm.CyrusFirstAt}, realm.Policy{Default: "c", Rule: realm.CyrusLastAt}
	for _, tt := range []struct {
		policy realm.Policy
		lines  string
		whom   string
		want   bool
	}{
		{first, "root *@b@c", "a@b@c", true},
		{first, "root *@c", "a@b@c", false},
		{last, "root *@c", "a@b@c", true},
		{first, "root a@b@c", "a", true},
		{last, "root a@b@c", "a@b@c", true},
		{last, "root a@b@c", "a", false},
	} {
		if got := may(t, parse(t, tt.policy, tt.lines), tt.policy, "root", tt.whom); got != tt.want {
			t.Errorf("%v, %q: %q: %v", tt.policy.Rule, tt.lines, tt.whom, got)
		}
	}
}

// An account is not always cut: EXTERNAL's is what the certificate says, and some
// stores say a whole name. It is the same user.
func TestRulesWholeAccount(t *testing.T) {
	t.Parallel()
	r := parse(t, home, "alice sales", "x@example.net sales", "@staff = y", "@staff sales")
	for _, tt := range []struct {
		account verifier.Account
		want    bool
	}{
		{verifier.Account{User: "alice@example.com"}, true},
		{verifier.Account{User: "alice", Realm: "example.com"}, true},
		{verifier.Account{User: "alice"}, false},
		{verifier.Account{User: "x", Realm: "example.net"}, true},
		{verifier.Account{User: "x@example.net"}, true},
		{verifier.Account{User: "x", Realm: "example.com"}, false},
		{verifier.Account{User: "@staff"}, false},
		{verifier.Account{User: "@staff", Realm: "example.com"}, false},
		{verifier.Account{User: "staff"}, false},
		{verifier.Account{}, false},
		{verifier.Account{Realm: "example.com"}, false},
	} {
		if err := r.Authorize(t.Context(), tt.account, "sales", "example.com"); (err == nil) != tt.want {
			t.Errorf("%+v: %v", tt.account, err)
		}
	}
}

// Names of a site that prepares them otherwise.
func TestRulesPrepared(t *testing.T) {
	t.Parallel()
	r := parseWith(t, Options{Realm: home, Prepare: mech.UsernameCaseMapped.Prepare}, "Alice SALES@Example.com", "Root *")
	for whom, want := range map[string]bool{"sales": true, "Sales": false} {
		if got := may(t, r, home, "alice", whom); got != want {
			t.Errorf("as %q: %v", whom, got)
		}
	}
	for whom, want := range map[string]bool{"anybody": true, "Anybody": false, "b ob": false} {
		if got := may(t, r, home, "root", whom); got != want {
			t.Errorf("root as %q: %v", whom, got)
		}
	}
	// ª becomes a, and ﬁ two letters.
	r = parse(t, home, "ªlice ﬁne")
	if !may(t, r, home, "alice", "fine") {
		t.Error("SASLprep")
	}
}

// Rules that nobody made let nobody act, and say so without a panic.
func TestNoRules(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*Rules{"nil": nil, "zero": {}, "empty": parse(t, home), "comments": parse(t, home, "# alice bob", " ", "\t#")} {
		if may(t, r, home, "alice", "bob") {
			t.Error(name)
		}
		if got := r.String(); got != "" {
			t.Errorf("%s prints %q", name, got)
		}
	}
}

// What the log gets says who and as whom, quoted and not without end.
func TestRefusalText(t *testing.T) {
	t.Parallel()
	r := parse(t, home, "root *")
	long := strings.Repeat("x", 5000)
	err := r.Authorize(t.Context(), verifier.Account{User: "al\nice", Realm: "example.com"}, long, "example.com")
	if text := err.Error(); !strings.HasPrefix(text, `acting: "al\nice@example.com" as "xxx`) || len(text) > 600 {
		t.Errorf("%d bytes: %.200s", len(text), text)
	}
}

// model decides by the lines themselves, slowly: a pair is allowed if a line names both,
// or has a pattern and the target is no master.
type model struct {
	pairs   map[[2]string]bool // who, as whom
	members map[string][]string
}

func (m model) acts(who, whom string) bool {
	return m.pairs[[2]string{who, whom}] || slices.ContainsFunc(m.members[who], func(g string) bool { return m.pairs[[2]string{g, whom}] })
}

func (m model) allows(who, whom string) bool {
	_, in, _ := strings.Cut(whom, "@")
	pattern := m.acts(who, "*") || m.acts(who, "*@"+in)
	master := m.acts(whom, "*") || m.acts(whom, "*@a") || m.acts(whom, "*@b")
	return who == whom || m.acts(who, whom) || pattern && !master
}

// TestOrder: whatever the lines and their order, only what they list is allowed.
func TestOrder(t *testing.T) {
	t.Parallel()
	policy := realm.Policy{Default: "a", Others: []string{"b"}}
	users := []string{"u@a", "v@a", "w@a", "u@b", "v@b", "w@b"}
	groups := []string{"@g", "@h"}
	targets := slices.Concat(users, []string{"*", "*@a", "*@b"})
	r := rand.New(rand.NewPCG(1, 2))
	allowed := 0
	for range 400 {
		m := model{map[[2]string]bool{}, map[string][]string{}}
		var lines []string
		for _, g := range groups {
			for _, u := range users {
				if r.IntN(4) == 0 || u == users[0] && r.IntN(2) == 0 {
					m.members[u] = append(m.members[u], g)
					lines = append(lines, g+" = "+u)
				}
			}
		}
		defined := func(g string) bool {
			return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, g+" ") })
		}
		who := slices.Concat(users, slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return !defined(g) }))
		for range r.IntN(10) {
			pair := [2]string{who[r.IntN(len(who))], targets[r.IntN(len(targets))]}
			if !m.pairs[pair] {
				m.pairs[pair] = true
				lines = append(lines, pair[0]+" "+pair[1])
			}
		}
		var text string
		for range 3 {
			r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			rules := parse(t, policy, lines...)
			if text != "" && rules.String() != text {
				t.Fatalf("another order prints\n%s\nand not\n%s", rules, text)
			}
			text = rules.String()
			for _, a := range users {
				for _, b := range users {
					got, want := may(t, rules, policy, a, b), m.allows(a, b)
					if got != want {
						t.Fatalf("%s as %s: %v, want %v by\n%s", a, b, got, want, strings.Join(lines, "\n"))
					}
					if got && a != b {
						allowed++
					}
				}
			}
		}
	}
	if allowed < 1000 {
		t.Errorf("only %d pairs were allowed: the test tests little", allowed)
	}
}

// Many rules of many users and groups cost little to ask.
func BenchmarkAuthorize(b *testing.B) {
	var lines []string
	for i := range 10000 {
		lines = append(lines, fmt.Sprintf("user%d shared%d", i, i), fmt.Sprintf("@all = user%d", i))
	}
	lines = append(lines, "@all desk")
	r := parse(b, home, lines...)
	account := verifier.Account{User: "user77", Realm: "example.com"}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Authorize(b.Context(), account, "desk", "example.com"); err != nil {
			b.Fatal(err)
		}
	}
}
