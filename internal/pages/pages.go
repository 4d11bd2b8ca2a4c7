// Package pages lets tests read the documentation: its headings as GitHub makes anchors
// of them, its links, and its tables.
package pages

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"unicode"
)

// A Page is a file of Markdown.
type Page struct {
	Path  string
	lines []line
}

// A line is one of a page, and whether it is code or a comment, where nothing means
// anything.
type line struct {
	text     string
	verbatim bool
}

// Read reads a page.
func Read(path string) (*Page, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, string(text)), nil
}

// Parse reads a page from memory.
func Parse(path, text string) *Page {
	p := &Page{Path: path}
	fence, comment, blank, list := "", false, true, false
	for raw := range strings.Lines(text) {
		l := line{text: strings.TrimRight(raw, "\r\n")}
		trimmed := strings.TrimSpace(l.text)
		switch {
		case fence != "":
			l.verbatim = true
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
		case comment:
			l.verbatim = true
			comment = !strings.Contains(trimmed, "-->")
		case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
			l.verbatim, fence = true, trimmed[:3]
		case strings.HasPrefix(trimmed, "<!--"):
			l.verbatim, comment = true, !strings.Contains(trimmed, "-->")
		case blank && !list && strings.HasPrefix(l.text, "    "):
			l.verbatim = true
		}
		if trimmed != "" {
			list = isItem.MatchString(l.text) || list && l.text != strings.TrimLeft(l.text, " ")
		}
		// The lines after the first of a block of code are code as well.
		blank = trimmed == "" || l.verbatim
		p.lines = append(p.lines, l)
	}
	return p
}

var isItem = regexp.MustCompile(`^ {0,3}([-*+]|[0-9]+[.)]) `)

// headings are those of a page, without their marks.
func (p *Page) headings() (all []string) {
	for _, l := range p.lines {
		if text := strings.TrimLeft(l.text, "#"); !l.verbatim && text != l.text && strings.HasPrefix(text, " ") {
			all = append(all, strings.Trim(text, " #"))
		}
	}
	return all
}

// Anchors are the fragments that a link to the page can have: those of the headings, and
// those that the page names itself.
func (p *Page) Anchors() map[string]bool {
	anchors, times := map[string]bool{}, map[string]int{}
	for _, h := range p.headings() {
		a := Anchor(h)
		n := times[a]
		if times[a]++; n > 0 {
			a = fmt.Sprintf("%s-%d", a, n)
		}
		anchors[a] = true
	}
	for _, l := range p.lines {
		for _, m := range isNamed.FindAllStringSubmatch(l.text, -1) {
			anchors[m[1]] = anchors[m[1]] || !l.verbatim
		}
	}
	return anchors
}

var isNamed = regexp.MustCompile(`<a (?:id|name)="([^"]+)">`)

// Anchor is what GitHub makes of a heading: lower case, what is neither letter, digit,
// '-' nor '_' left out, blanks replaced.
func Anchor(heading string) string {
	var b strings.Builder
	for _, r := range isLink.ReplaceAllString(heading, "$1") {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// isLink is a link or a picture, on one line or wrapped. Its text may hold one pair of
// brackets.
var isLink = regexp.MustCompile(`!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)

// Links are the targets of a page's links, in its order.
func (p *Page) Links() (all []string) {
	for _, m := range isLink.FindAllStringSubmatch(p.prose(), -1) {
		all = append(all, linksOf(m)...)
	}
	for _, m := range isReference.FindAllStringSubmatch(p.prose(), -1) {
		all = append(all, m[1])
	}
	return all
}

var isReference = regexp.MustCompile(`(?m)^ {0,3}\[[^\]]+\]:\s+(\S+)`)

// linksOf is the target of a link, and those of a picture in its text.
func linksOf(m []string) (all []string) {
	for _, inner := range isLink.FindAllStringSubmatch(m[1], -1) {
		all = append(all, inner[2])
	}
	return append(all, m[2])
}

// prose is the page without what only looks like a link.
func (p *Page) prose() string {
	var b strings.Builder
	for _, l := range p.lines {
		if !l.verbatim {
			b.WriteString(l.text)
		}
		b.WriteByte('\n')
	}
	return isCode.ReplaceAllStringFunc(b.String(), func(code string) string {
		return strings.NewReplacer("[", " ", "]", " ", "(", " ", ")", " ").Replace(code)
	})
}

// isCode is code in a line. It may be the text of a link, and holds none.
var isCode = regexp.MustCompile("``[^\n]+?``|`[^`\n]+`")

// A Row is one of a table.
type Row struct {
	Line  int // from 1
	Cells []string
}

// Rows are those of all tables under a heading, up to the next heading of any kind,
// without their heads.
func (p *Page) Rows(heading string) (rows []Row) {
	here, head := false, true
	for i, l := range p.lines {
		if text := strings.TrimLeft(l.text, "#"); !l.verbatim && text != l.text {
			here, head = strings.TrimSpace(text) == heading, true
		}
		switch {
		case l.verbatim || !strings.HasPrefix(l.text, "|"):
			head = true
		case isRule.MatchString(l.text):
			head = false
		case here && !head:
			rows = append(rows, Row{i + 1, cells(l.text)})
		}
	}
	return rows
}

var isRule = regexp.MustCompile(`^\|[ :|-]+\|$`)

// cells are those of a row. A bar with a backslash before it is none.
func cells(row string) []string {
	const bar = "\x00"
	row = strings.ReplaceAll(strings.Trim(strings.TrimSpace(row), "|"), `\|`, bar)
	all := strings.Split(row, "|")
	for i := range all {
		all[i] = strings.TrimSpace(strings.ReplaceAll(all[i], bar, "|"))
	}
	return all
}

// Code lists what stands in backquotes in a cell, single or double.
func Code(cell string) (all []string) {
	for _, m := range inQuotes.FindAllStringSubmatch(cell, -1) {
		all = append(all, strings.TrimSpace(m[1]+m[2]))
	}
	return all
}

var inQuotes = regexp.MustCompile("``(.+?)``|`([^`]+)`")
