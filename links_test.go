package saslkit_test

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
)

// A manual is README.md and the pages below docs, by their paths.
type manual map[string]*pages.Page

func readManual(t *testing.T) manual {
	t.Helper()
	m := manual{}
	add := func(name string) {
		page, err := pages.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		m[filepath.ToSlash(name)] = page
	}
	add("README.md")
	err := filepath.WalkDir("docs", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(name, ".md") {
			add(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// target is where a relative link of a page leads; false for one to the world.
func target(from, link string) (to, anchor string, relative bool) {
	if strings.Contains(link, ":") {
		return "", "", false
	}
	to, anchor, _ = strings.Cut(link, "#")
	if to == "" {
		return from, anchor, true
	}
	return path.Join(path.Dir(from), to), anchor, true
}

// linked are the pages that a page links to.
func (m manual) linked(from string) (all []string) {
	for _, link := range m[from].Links() {
		if to, _, relative := target(from, link); relative && m[to] != nil {
			all = append(all, to)
		}
	}
	return all
}

// within are the pages that can be reached from README.md by so many links.
func (m manual) within(links int) map[string]bool {
	reached, latest := map[string]bool{"README.md": true}, []string{"README.md"}
	for range links {
		var next []string
		for _, from := range latest {
			for _, to := range m.linked(from) {
				if !reached[to] {
					reached[to], next = true, append(next, to)
				}
			}
		}
		latest = next
	}
	return reached
}

// TestLinks: what a page links to is there, and has the heading.
func TestLinks(t *testing.T) {
	t.Parallel()
	m := readManual(t)
	for from, page := range m {
		for _, link := range page.Links() {
			to, anchor, relative := target(from, link)
			if !relative {
				continue
			}
			if _, err := os.Stat(filepath.FromSlash(to)); err != nil {
				t.Errorf("%s links to %s, which is not there", from, link)
				continue
			}
			if anchor != "" && m[to] != nil && !m[to].Anchors()[anchor] {
				t.Errorf("%s links to %s, and %s has no heading of that name", from, link, to)
			}
		}
	}
}

// TestOrphans: every page can be reached from README.md.
func TestOrphans(t *testing.T) {
	t.Parallel()
	m := readManual(t)
	reached := m.within(len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !reached[name] {
			t.Errorf("no way leads from README.md to %s", name)
		}
	}
}

const warnings = "docs/reference/howto-warnings.md"

// TestHowtoWarnings: each warning of the howtos has an answer, which is two links from
// README.md at the most.
func TestHowtoWarnings(t *testing.T) {
	t.Parallel()
	m := readManual(t)
	near := m.within(2)
	rows := 0
	for _, heading := range []string{"The server and its configuration", "saslauthd", "sasldb and auxprop", "SQL", "LDAP", "Postfix's server", "Postfix's client"} {
		for _, row := range m[warnings].Rows(heading) {
			rows++
			if len(row.Cells) != 4 || row.Cells[0] == "" || strings.Trim(row.Cells[1], "PDCH ") != "" || row.Cells[2] == "" {
				t.Errorf("%s:%d: %q", warnings, row.Line, row.Cells)
				continue
			}
			answers := pages.Parse(warnings, row.Cells[3]).Links()
			if len(answers) == 0 {
				t.Errorf("%s:%d: no answer", warnings, row.Line)
			}
			for _, link := range answers {
				if to, _, relative := target(warnings, link); !relative || !near[to] {
					t.Errorf("%s:%d: %s is more than two links from README.md", warnings, row.Line, link)
				}
			}
		}
	}
	if rows < 80 {
		t.Errorf("%s has %d warnings under its headings", warnings, rows)
	}
}
