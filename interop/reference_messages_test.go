//go:build linux

package interop

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/pages"
	"github.com/saslkit/saslkit/internal/peers"
)

// quotedOf are the messages of the page that a program is said to have.
func quotedOf(t *testing.T, program string) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, row := range referencePage(t, "messages.md").Rows("Messages, and where they are answered") {
		if row.Cells[1] == program {
			all[pages.Code(row.Cells[0])[0]] = row.Line
		}
	}
	return all
}

// TestReferenceMessagesOrder: messages are found by the alphabet, whatever marks begin
// them, and said to be of programs that the page knows.
func TestReferenceMessagesOrder(t *testing.T) {
	t.Parallel()
	last := ""
	for _, row := range referencePage(t, "messages.md").Rows("Messages, and where they are answered") {
		if len(row.Cells) != 4 || len(pages.Code(row.Cells[0])) == 0 {
			t.Fatalf("line %d: %q", row.Line, row.Cells)
		}
		key := strings.ToLower(strings.Map(letters, pages.Code(row.Cells[0])[0]))
		if key < last {
			t.Errorf("line %d: %q stands behind %q", row.Line, key, last)
		}
		last = key
		if !slices.Contains([]string{"Cyrus SASL", "saslauthd", "saslpasswd2", "sasldblistusers2", "testsaslauthd", "Postfix", "Exim", "Dovecot", "Sendmail", "swaks", "msmtp", "curl", "smtplib", "client", "saslkit"}, row.Cells[1]) {
			t.Errorf("line %d: of %q", row.Line, row.Cells[1])
		}
	}
}

func letters(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return r
	}
	return -1
}

// verb is what printf replaces, with the extensions of Cyrus and Exim.
var verb = regexp.MustCompile(`%[-.#0-9]*(?:l|h)?[a-zA-Z]|%%`)

// A format is a message as a program has it, cut at its verbs.
type format []string

func formats(words []string) (all []format) {
	for _, w := range words {
		if len(w) > 5 && utf8.ValidString(w) {
			all = append(all, verb.Split(strings.TrimSpace(w), -1))
		}
	}
	return all
}

// marks at the ends of what is printed do not count.
const marks = " :,;.?>\n\\…"

// makes reports whether the program can print a message: a run of the format's parts with
// anything in between is the message, and half of it is of these parts. A message that
// ends with … may end within a part.
func (f format) makes(message string) bool {
	open := strings.HasSuffix(message, "…")
	if message = strings.TrimLeft(message, marks); open {
		message = strings.TrimSuffix(message, "…")
	} else {
		message = strings.TrimRight(message, marks)
	}
	said := len(strings.ReplaceAll(message, "…", ""))
	for from := range f {
		for to := from; to < len(f); to++ {
			run := slices.Clone(f[from : to+1])
			run[0] = strings.TrimLeft(run[0], marks)
			run[len(run)-1] = strings.TrimRight(run[len(run)-1], marks)
			if open && len(run) == 1 && len(message) > 7 && strings.HasPrefix(run[0], message) {
				return true
			}
			for _, run := range [][]string{run, append(run, "")} {
				if inOrder(run, message, open) >= (said+1)/2 {
					return true
				}
			}
		}
	}
	return false
}

// inOrder tells how much of a message is of the parts, if it begins with the first, ends
// with the last, of which an open one needs no more than the beginning, and has the others
// in between; otherwise -1.
func inOrder(parts []string, message string, open bool) int {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 && message != first {
		return -1
	}
	for open && len(last) > 3 && !strings.HasSuffix(message, last) {
		last = last[:len(last)-1]
	}
	if len(parts) == 1 {
		return len(first)
	}
	if !strings.HasPrefix(message, first) || !strings.HasSuffix(message, last) || len(message) < len(first)+len(last) {
		return -1
	}
	all, middle := len(first)+len(last), message[len(first):len(message)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(middle, part)
		if !found {
			return -1
		}
		all, middle = all+len(part), after
	}
	return all
}

// knows checks messages against the constants of programs.
func knows(t *testing.T, messages map[string]int, words []string) {
	t.Helper()
	all := formats(words)
	for message, line := range messages {
		if !slices.ContainsFunc(all, func(f format) bool { return f.makes(message) }) {
			t.Errorf("line %d: no program has %q", line, message)
		}
	}
	if len(messages) == 0 {
		t.Error("no message of it is on the page")
	}
}

// TestReferenceMessages: what the page quotes of a program is in the program.
func TestReferenceMessages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		program string
		words   func(*testing.T) []string
	}{
		{"Cyrus SASL", func(t *testing.T) []string { return constants(t, cyrusLibrary(t)...) }},
		{"saslauthd", func(t *testing.T) []string { return withoutNO(constants(t, need(t, "saslauthd"))) }},
		{"saslpasswd2", func(t *testing.T) []string { return constants(t, need(t, "saslpasswd2")) }},
		{"sasldblistusers2", func(t *testing.T) []string { return constants(t, need(t, "sasldblistusers2")) }},
		{"testsaslauthd", func(t *testing.T) []string { return constants(t, peers.Need(t, "testsaslauthd", "sasl2-bin")) }},
		{"Postfix", func(t *testing.T) []string { return constants(t, postfixPrograms(t)...) }},
		{"Exim", func(t *testing.T) []string { return constants(t, eximProgram(t)) }},
		{"Dovecot", func(t *testing.T) []string {
			need(t, "dovecot")
			return constants(t, installed(t, "dovecot-core", "/usr/lib*/dovecot/auth", "/usr/libexec/dovecot/auth")...)
		}},
		{"msmtp", func(t *testing.T) []string { return constants(t, need(t, "msmtp")) }},
		{"curl", func(t *testing.T) []string {
			return constants(t, installed(t, "libcurl4", "/usr/lib/*/libcurl.so.4", "/usr/lib*/libcurl.so.4")...)
		}},
		{"swaks", func(t *testing.T) []string { return quotesIn(t, need(t, "swaks")) }},
		{"smtplib", func(t *testing.T) []string {
			return quotesIn(t, output(t, "python3", "-c", "import smtplib; print(smtplib.__file__)"))
		}},
	} {
		t.Run(tt.program, func(t *testing.T) {
			t.Parallel()
			knows(t, quotedOf(t, tt.program), tt.words(t))
		})
	}
}

// quotesIn are the strings of a script.
func quotesIn(t *testing.T, path string) []string {
	t.Helper()
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(script), `"`)
}

// withoutNO adds replies as the log has them, as a reason.
func withoutNO(words []string) []string {
	for _, w := range words {
		if reason, ok := strings.CutPrefix(w, "NO "); ok {
			words = append(words, reason)
		}
	}
	return words
}

// eximProgram is Debian's Exim.
func eximProgram(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(eximVariable); path != "" {
		return path
	}
	return need(t, "exim4")
}

// TestReferenceFormats: what counts as a message of a program, and what does not.
func TestReferenceFormats(t *testing.T) {
	t.Parallel()
	all := formats([]string{
		"no secret in database", "cannot connect to saslauthd server: %m", "%s: SASL %.100s authentication failed: %s, sasl_username=%.100s",
		"error %s", "%s: %s", "<%s>: Sender address rejected: not owned by user %s", "Internal Error %d in ../../lib/server.c near line %d",
	})
	for message, want := range map[string]bool{
		"no secret in database": true, "no secret in the database": false, "no secret in": false,
		"cannot connect to saslauthd server: …": true, "cannot connect to saslauthd: …": false,
		"SASL LOGIN authentication failed: x": true, "SASL LOGIN authentication aborted": false,
		"error fetching from sasldb: …": false, "Internal Error -4 in …": true, "External Error -4 in …": false,
		"Sender address rejected: not owned by user …": true, "Sender address rejected: not owned by …": true, "not owned": false,
	} {
		if got := slices.ContainsFunc(all, func(f format) bool { return f.makes(message) }); got != want {
			t.Errorf("%q: %v", message, got)
		}
	}
}
