package saslkit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// filterFiles are the files of the tests, which are in memory.
var filterFiles = map[string]string{
	"/two":       "plain\nLOGIN\n",
	"/notes":     "# the old ones\n\n  # an indented note\nplain,\n  login\n# and\n\tcram-md5\n",
	"/excluding": "!plain static:rest",
	"/nested":    "!/two\nstatic:rest",
	"/crlf":      "plain\r\nlogin\r\n",
	"/empty":     "",
	"/blank":     " \n\t\n# nothing\n",
	"/indented":  " plain\nlogin\n",
	"/late":      "plain # login\n",
	"/bang":      "!\nplain\n",
	"/itself":    "plain\n/itself\n",
	"/missing/2": "/missing",
	"/long":      strings.Repeat("plain ", maxFilterPatterns+1),
	"/nul":       "plain\x00login",
}

func parseInMemory(text string) (*MechanismFilter, error) {
	p := filterParser{read: func(path string) (string, error) {
		content, ok := filterFiles[path]
		if !ok {
			return "", fmt.Errorf("open %s: no such file", path)
		}
		return content, nil
	}}
	return p.parse(text)
}

func permitted(f *MechanismFilter, names ...string) string {
	var kept []string
	for _, name := range names {
		if f.Permits(name) {
			kept = append(kept, name)
		}
	}
	return strings.Join(kept, " ")
}

func TestMechanismFilter(t *testing.T) {
	t.Parallel()
	offered := []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"}
	all := strings.Join(offered, " ")
	for text, want := range map[string]string{
		"":                                  all,
		" \t\r\n":                           all,
		",":                                 "",
		"plain":                             "PLAIN",
		"plain, LOGIN":                      "PLAIN LOGIN",
		"plain,,login\n,":                   "PLAIN LOGIN",
		"scram-sha-256":                     "SCRAM-SHA-256",
		"!plain":                            "",
		"!plain, !login, static:rest":       "SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5",
		"static:all, !plain":                all,
		"!static:all, plain":                "",
		"plain, !static:all, login":         "PLAIN",
		"!!plain":                           "PLAIN",
		"!!!plain, static:x":                "SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5 LOGIN",
		"!plain, plain":                     "",
		"/two":                              "PLAIN LOGIN",
		"!/two, static:all":                 "SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5",
		"!!/two":                            "PLAIN LOGIN",
		"/notes":                            "CRAM-MD5 PLAIN LOGIN",
		"/excluding":                        "SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5 LOGIN",
		"!/excluding":                       "PLAIN",
		"/nested":                           "SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5",
		"!/nested":                          "PLAIN LOGIN",
		"/crlf":                             "PLAIN LOGIN",
		"/empty":                            "",
		"/blank":                            "",
		"/blank cram-md5 /crlf":             "CRAM-MD5 PLAIN LOGIN",
		"!/empty static:all":                all,
		"!cram-md5,!/two,scram-sha-256":     "SCRAM-SHA-256",
		"!X_OTHER, gssapi, static:the-rest": all,
	} {
		f, err := parseInMemory(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, permitted(f, offered...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestMechanismFilterErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain, !":              `no pattern after "!"`,
		"! plain":               `no pattern after "!"`,
		"!!":                    `no pattern after "!!"`,
		"hash:/etc/mechs":       `no lookup tables but static:all (write the names of "hash:/etc/mechs" into a file, and its path /file/name here)`,
		"!texthash:/x":          "no lookup tables",
		"STATIC:all":            "no lookup tables",
		"!static:":              "no lookup tables",
		"plain; login":          `"plain;" cannot be the name of a mechanism`,
		"static:{all of} plain": `"of}" cannot be the name`,
		"\u212aERBEROS_V4":      "cannot be the name",
		"\u00a0":                "cannot be the name",
		"plain # login":         "a comment stands after something else",
		"/missing":              "open /missing: no such file",
		"/missing/2":            "/missing/2: open /missing: no such file",
		"/indented":             "/indented: white space before the first pattern",
		"/late":                 "/late: a comment stands after something else",
		"!/bang":                `/bang: no pattern after "!"`,
		"/itself":               "files within files",
		"/long":                 "more than 1000 patterns",
		"/nul":                  "cannot be the name",
	} {
		f, err := parseInMemory(text)
		if f != nil || err == nil || !strings.HasPrefix(err.Error(), "saslkit: mechanism filter: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, f, err, want)
		}
	}
}

func TestMechanismFilterFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "mechs")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("plain\n")
	f, err := ParseMechanismFilter("!" + path + ", static:all")
	if err != nil || permitted(f, "PLAIN", "LOGIN") != "LOGIN" {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := ParseMechanismFilter(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := ParseMechanismFilter(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("folder: %v", err)
	}
	write(strings.Repeat(" ", maxFilterFile) + "plain")
	if _, err := ParseMechanismFilter(path); err == nil || !strings.Contains(err.Error(), "longer than 65536 bytes") {
		t.Errorf("long: %v", err)
	}
}

func TestMechanismFilterExplains(t *testing.T) {
	t.Parallel()
	f, err := parseInMemory("!/two, !cram-md5, scram-sha-256")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"LOGIN":    `filtered out by "LOGIN" in /two`,
		"CRAM-MD5": `filtered out by "!cram-md5"`,
		"GSSAPI":   "filtered out, no pattern fits",
	} {
		if got := f.explain(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// FuzzMechanismFilter holds the filter against the rules as Postfix's manual
// tells them, on lists without files.
func FuzzMechanismFilter(f *testing.F) {
	for _, text := range []string{"", "plain, login", "!plain static:x", "!!a,!!!b static:", "/two", "!/nested", "hash:/x", "! x", "\xff", "!/itself"} {
		f.Add(text, "PLAIN")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		filter, err := parseInMemory(text)
		if err != nil {
			if filter != nil {
				t.Fatalf("%q: a filter and %v", text, err)
			}
			return
		}
		got := filter.Permits(name)
		if filter.Permits(strings.ToLower(name)) != filter.Permits(strings.ToUpper(name)) && isMechanismName(name) {
			t.Fatalf("%q: case matters for %q", text, name)
		}
		if strings.Contains(text, "/") || !isMechanismName(name) {
			return
		}
		if want := plainFilter(text, name); got != want {
			t.Fatalf("%q: %q is permitted: %v, want %v", text, name, got, want)
		}
	})
}

// plainFilter evaluates a list without files, pattern by pattern.
func plainFilter(text, name string) bool {
	patterns := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	for _, p := range patterns {
		permits := true
		for strings.HasPrefix(p, "!") {
			p, permits = p[1:], !permits
		}
		if strings.HasPrefix(p, "static:") && p != "static:" || strings.EqualFold(p, name) {
			return permits
		}
	}
	return strings.Trim(text, " \t\r\n") == ""
}
