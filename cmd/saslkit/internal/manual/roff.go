package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// A page is a manual page under construction, in the part of man(7) that groff and
// mandoc have in common.
type page struct {
	strings.Builder
	values map[string]bool // words in capitals that stand for a value: FILE, USER
}

// lineWidth is what mandoc finds good style, in bytes.
const lineWidth = 80

func (p *page) section(title string) { fmt.Fprintf(p, ".SH %s\n", title) }

// text writes paragraphs that empty lines separate, as the help of a command has them.
// An indented paragraph is shown as it stands.
func (p *page) text(text string) {
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, " ") {
			p.literal(strings.Split(paragraph, "\n"))
			continue
		}
		p.fill(paragraph)
	}
}

// fill writes one paragraph.
func (p *page) fill(text string) {
	line := ""
	flush := func() {
		if line != "" {
			p.WriteString(guarded(line) + "\n")
		}
		line = ""
	}
	for word := range strings.FieldsSeq(p.inline(strings.Join(strings.Fields(text), " "))) {
		if line != "" && len(line)+1+len(word) > lineWidth {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	flush()
}

// literal writes lines as they stand, without the indentation that they have in common.
func (p *page) literal(lines []string) {
	indent := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	p.WriteString(".RS 4\n.EX\n")
	for _, line := range lines {
		p.WriteString(guarded(code(line[min(indent, len(line)):])) + "\n")
	}
	p.WriteString(".EE\n.RE\n")
}

// A row is a word and what it means.
type row struct{ word, meaning string }

// rows writes a list of words, marked up as they are in text, with what they mean.
func (p *page) rows(all []row) {
	for _, r := range all {
		p.WriteString(".TP\n" + guarded(p.inline(r.word)) + "\n")
		p.fill(r.meaning)
	}
}

// markup finds what stands out in text: `words as they are typed`, options, other pages,
// and words that stand for a value.
var markup = regexp.MustCompile("`[^`]+`" + `|--[a-z][a-z0-9-]*|\B-[a-zA-Z]\b|[a-z0-9][a-z0-9_.-]*\([0-9]\)|\b[A-Z]{2,}\b`)

// inline marks up text: bold is what is typed, italic what stands for something else.
func (p *page) inline(text string) string {
	var b strings.Builder
	end := 0
	for _, at := range markup.FindAllStringIndex(text, -1) {
		b.WriteString(prose(text[end:at[0]]))
		b.WriteString(p.span(text[at[0]:at[1]]))
		end = at[1]
	}
	b.WriteString(prose(text[end:]))
	return b.String()
}

func (p *page) span(text string) string {
	switch {
	case text[0] == '`':
		return bold(strings.Trim(text, "`"))
	case text[0] == '-':
		return bold(text)
	case strings.HasSuffix(text, ")"):
		name, section, _ := strings.Cut(text, "(")
		return bold(name) + "(" + section
	case p.values[text]:
		return `\fI` + text + `\fR`
	}
	return prose(text)
}

// bold is text that is typed, which is not broken at the end of a line.
func bold(text string) string {
	return `\%\fB` + strings.ReplaceAll(code(text), " ", `\ `) + `\fR`
}

// prose is text in which a hyphen and an apostrophe may look as in a book.
func prose(text string) string { return special.Replace(ascii(text)) }

// code is text that people copy: every character is the one of ASCII.
func code(text string) string {
	return copied.Replace(ascii(text))
}

var (
	special = strings.NewReplacer("...", `...\&`, `\`, `\e`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)
	copied  = strings.NewReplacer(`\`, `\e`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "-", `\-`, "'", `\(aq`, `"`, `\(dq`)
)

// ascii drops what is not in it to questions marks: pages are read where there is no
// UTF-8. A test holds our texts against it.
func ascii(text string) string {
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, text)
}

// guarded is a line that does not begin as a request does.
func guarded(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
