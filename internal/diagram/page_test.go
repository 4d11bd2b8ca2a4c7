package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/mech"
)

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pictures, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// cells splits a line of a table.
func cells(line string) []string {
	all := strings.Split(strings.Trim(line, "|"), "|")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

var link = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)

// TestPageTable: the table on the page says what the rows say, in their order.
func TestPageTable(t *testing.T) {
	t.Parallel()
	type facts []string
	got := map[string]facts{}
	var order []string
	_, table, _ := strings.Cut(page(t), "| --- | --- | --- | --- | --- | --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.SplitSeq(table, "\n") {
		row := cells(line)
		for name := range strings.SplitSeq(link.ReplaceAllString(row[0], "$1"), ", ") {
			if got[name] != nil {
				t.Errorf("%s stands there twice", name)
			}
			got[name] = row[1:]
			order = append(order, name)
		}
	}
	want := map[string]facts{}
	for _, m := range rows() {
		want[m.Name] = facts{
			m.Need.String(), secretsOf(m), choose(m.ServerFirst, "server", "client"),
			choose(onWire(m), "yes", "no"), choose(m.Provides&mech.MutualAuth != 0, "yes", "no"), choose(m.OnlyIfNamed, "only if named", "by itself"),
		}
	}
	want[mech.APOP.Name][2] = "server" // its greeting: for the host, and so not in the row
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var strongest []string
	for _, m := range rows() {
		strongest = append(strongest, m.Name)
	}
	if diff := cmp.Diff(strongest, order); diff != "" {
		t.Errorf("order: %s", diff)
	}
}

func choose(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// onWire: what of a mechanism crosses the wire lets whoever sees it log in.
func onWire(m *mech.Mechanism) bool { return m.Provides&mech.NoPlaintext == 0 }

// secretsOf lists the kinds as the page does.
func secretsOf(m *mech.Mechanism) string {
	var all []string
	for _, k := range m.Secrets {
		name := k.String()
		if k.IsSCRAM() && k.SCRAMName() == m.WithoutBinding() {
			name = "keys of its hash"
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}

// TestPageSections: every mechanism has a section with all that a reader looks for and
// its picture, and every picture stands on the page with words for those who do not
// see it.
func TestPageSections(t *testing.T) {
	t.Parallel()
	text := page(t)
	sections := map[string]string{} // by anchor
	for _, section := range strings.Split(text, "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		sections[anchor(title)] = body
	}
	for _, m := range rows() {
		picture := pictureOf(m)
		of := strings.NewReplacer("scram-sha-256-plus", "scram-with-channel-binding", "scram-sha-256", "scram").Replace(picture)
		body := sections[of]
		if !strings.Contains(body, "]("+picture+".svg)") {
			t.Errorf("%s: no section #%s with a picture", m.Name, of)
		}
		for _, label := range []string{"The client knows", "The store holds", "Who listens", "It proves", "Standard", "Cyrus SASL"} {
			if strings.Count(body, "\n| "+label+" | ") != 1 {
				t.Errorf("%s: %q is not said", of, label)
			}
		}
		inTheClear := regexp.MustCompile(`\| Who listens \| has the (password|token)`).MatchString(body)
		if inTheClear != onWire(m) {
			t.Errorf("%s: what a listener has is not what the row says", m.Name)
		}
	}
	for _, s := range scenarios {
		alt := regexp.MustCompile(`!\[([^\]]{40,})\]\(` + s.name + `\.svg\)`)
		if len(alt.FindAllString(text, -1)) != 1 {
			t.Errorf("%s.svg does not stand on the page once, with words", s.name)
		}
	}
	for _, l := range link.FindAllStringSubmatch(text, -1) {
		file, at, _ := strings.Cut(l[2], "#")
		target := text
		if file != "" {
			there, err := os.ReadFile(filepath.Join(pictures, file))
			if err != nil {
				t.Errorf("%s: %v", l[0], err)
			}
			target = string(there)
		}
		if at != "" && !hasHeading(target, at) {
			t.Errorf("%s: no such heading", l[0])
		}
	}
}

func hasHeading(text, at string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if title := strings.TrimLeft(line, "#"); title != line && anchor(strings.TrimSpace(title)) == at {
			return true
		}
	}
	return false
}

// anchor is what forges make of a heading.
func anchor(title string) string {
	title = regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(title), "")
	return strings.ReplaceAll(title, " ", "-")
}
