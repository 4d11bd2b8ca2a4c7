package saslkit_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
)

// provedBy says for the languages of blocks which test holds them against the real thing.
var provedBy = map[string]string{
	"go":     "TestPagesGo of interop",
	"sh":     "TestPages of interop, on pages for contributors TestContributorsCommands",
	"output": "TestPages of interop, after Go TestClientsPage",
	"log":    "TestPages of interop",
	"conf":   "TestPages of interop",
	"sql":    "the tests of docs/sql.md in interop",
}

// executed are the pages that are done on a machine. Their parser knows all of a page.
var executed = regexp.MustCompile(`^docs/(guides/.*|packages)\.md$`)

// forContributors are the pages whose commands want a clone of this repository.
var forContributors = []string{"README.md", "CONTRIBUTING.md", "interop/README.md", "docs/mechanisms/README.md"}

// TestBlocks: there is no block of code on a page that no test knows what to do with.
func TestBlocks(t *testing.T) {
	t.Parallel()
	m := readManual(t)
	for _, name := range []string{"CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "interop/README.md"} {
		page, err := pages.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		m[name] = page
	}
	for name, page := range m {
		if executed.MatchString(name) {
			continue
		}
		before := ""
		for _, b := range page.Blocks() {
			if fault := blockFault(name, before, b); fault != "" {
				t.Errorf("%s:%d: %s", name, b.Line, fault)
			}
			before = b.Language
		}
	}
}

// blockFault says what is wrong with a block behind one of a language.
func blockFault(name, before string, b pages.Block) string {
	first, _, _ := strings.Cut(b.Text, "\n")
	contributors := slices.Contains(forContributors, name)
	switch {
	case b.Hidden && b.Language != "sh":
		return "a comment of several lines that is no sh"
	case provedBy[b.Language] == "":
		return "nothing holds a block of " + b.Language + ` against the real thing ("" is an indented block)`
	case contributors && b.Language != "sh" && b.Language != "go":
		return "nothing is executed on pages for contributors"
	case b.Language == "output" && before == "go" && name != "docs/clients.md", b.Language == "output" && before != "sh" && before != "go":
		return "output of nothing"
	case b.Language == "conf" && !path.IsAbs(strings.TrimPrefix(first, "# ")):
		return "a file whose first line is not its path: # /etc/…"
	case b.Language == "sql" && name != "docs/sql.md":
		return "no test executes SQL of this page"
	}
	return ""
}
