package pages

import "strings"

// A Block is what a page shows as code, or does without showing it.
type Block struct {
	Line     int    // of its first line of code in the page, from 1
	Language string // that the fence names; "" for an indented block too
	Hidden   bool   // in a comment, "<!-- sh" and its lines
	Text     string // each line with its end
}

// Blocks are those of a page, in its order.
func (p *Page) Blocks() (all []Block) {
	const none, fenced, indented, comment = 0, 1, 2, 3
	in := none
	var b Block
	end := func() {
		all, b, in = append(all, b), Block{}, none
	}
	for i, l := range p.lines {
		trimmed := strings.TrimSpace(l.text)
		opened, isComment := strings.CutPrefix(trimmed, "<!-- ")
		switch {
		case in == fenced && isFence(trimmed), in == comment && strings.HasSuffix(trimmed, "-->"):
			end()
		case in == fenced, in == comment:
			b.Text += l.text + "\n"
		case in == indented && l.verbatim && strings.HasPrefix(l.text, "    "):
			b.Text += l.text[4:] + "\n"
		default:
			if in == indented {
				end()
			}
			switch {
			case !l.verbatim:
			case isFence(trimmed):
				in, b = fenced, Block{Line: i + 2, Language: strings.Trim(trimmed, "`~")}
			case isComment && !strings.HasSuffix(trimmed, "-->"):
				in, b = comment, Block{Line: i + 2, Language: opened, Hidden: true}
			case strings.HasPrefix(l.text, "    "):
				in, b = indented, Block{Line: i + 1, Text: l.text[4:] + "\n"}
			}
		}
	}
	if in != none {
		end()
	}
	return all
}

func isFence(trimmed string) bool {
	return strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~")
}
