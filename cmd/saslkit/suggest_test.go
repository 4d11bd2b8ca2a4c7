package main

import "testing"

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"", "abc", 3}, {"verifier", "verifier", 0},
		{"verifer", "verifier", 1}, {"verifierr", "verifier", 1}, {"verefier", "verifier", 1}, {"verfiier", "verifier", 1}, {"jsno", "json", 1},
		{"pasword-stdn", "password-stdin", 2}, {"abc", "xyz", 3}, {"ab", "ba", 1}, {"abcd", "badc", 2},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := distance(tt.b, tt.a); got != tt.want {
			t.Errorf("%q, %q: %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}

// TestTypos: what was meant is named, and where it would be found if that is not to be
// seen. What was typed behind an option is not repeated.
func TestTypos(t *testing.T) {
	t.Parallel()
	checkAll(t, []commandCase{
		{name: "command", args: []string{"pasword"}, code: 2, err: []string{"did you mean passwd?"}},
		{name: "name of another program", args: []string{"sasldblistusers2"}, code: 2, err: []string{"did you mean users?"}},
		{name: "what it is about", args: []string{"list"}, code: 2, err: []string{"did you mean users?"}},
		{name: "option", args: []string{"users", "--jsno"}, code: 2, err: []string{"users: unknown option --jsno: did you mean --json?"}},
		{name: "option without its hyphen", args: []string{"serve", "--mechlist", "PLAIN"}, code: 2, err: []string{"did you mean --mech-list?"}},
		{name: "beginning of an option", args: []string{"check", "--password=sesame", "alice"}, code: 2, err: []string{"did you mean --password-file?"}},
		{name: "option like no other", args: []string{"serve", "--frobnicate"}, code: 2, err: []string{`unknown option --frobnicate ("saslkit serve --help" lists them)`}},
		{name: "letter", args: []string{"users", "-F", "x"}, code: 2, err: []string{`unknown option -F ("saslkit users --help" lists them)`}},
		{name: "option of the program", args: []string{"--versoin"}, code: 2, err: []string{"did you mean --version?"}},
		{name: "database as an argument", args: []string{"users", "/etc/sasldb2"}, code: 2, err: []string{"the path of a database goes behind -f"}},
		{name: "no path", args: []string{"verify", "-f", ""}, code: 2, err: []string{"the path behind -f is empty"}},
		{name: "no database", args: []string{"users", "-f", t.TempDir() + "/none"}, code: 3, err: []string{"saslkit passwd makes it; -f names another"}},
		{name: "nobody listens", stdin: "x\n", args: []string{"login", "--password-stdin", "smtp://" + closed, "alice"}, code: 3, out: "no reason=no-connection\n", err: []string{"nobody listens on that port"}},
	})
}
