package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// A colour is one on a light and one on a dark ground. The picture brings its ground
// along: a page may be light while the reader's system is dark.
type colour struct{ role, light, dark string }

var colours = []colour{
	{"ground", "#ffffff", "#0d1117"},
	{"ink", "#1f2328", "#e6edf3"},
	{"faint", "#59636e", "#9da7b3"},
	{"rule", "#8c959f", "#6e7681"},
	{"card", "#f6f8fa", "#161b22"},
	{"edge", "#d1d9e0", "#30363d"},
	{"client", "#0550ae", "#79c0ff"},
	{"server", "#6639ba", "#d2a8ff"},
	{"store", "#7d4e00", "#e3b341"},
	{"good", "#116329", "#7ee787"},
	{"goodcard", "#dafbe1", "#10261a"},
	{"bad", "#a40e26", "#ffa198"},
	{"badcard", "#ffebe9", "#2a1317"},
}

// A font is how a class of text looks.
type font struct {
	class  string
	size   int // pixels
	family string
	weight int
	role   string // its colour
}

const (
	mono = `ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace`
	sans = `system-ui,"Segoe UI",Helvetica,Arial,sans-serif`
)

var fonts = []font{
	{"title", 20, sans, 600, "ink"},
	{"standard", 12, sans, 400, "faint"},
	{"party", 14, sans, 600, "ink"},
	{"is", 11, mono, 400, "faint"},
	{"line", 12, mono, 400, "ink"},
	{"quiet", 12, mono, 400, "faint"},
	{"byclient", 12, sans, 600, "client"},
	{"byserver", 12, sans, 600, "server"},
	{"bystore", 12, mono, 600, "store"},
	{"name", 12, sans, 600, "ink"},
	{"note", 12, sans, 400, "faint"},
	{"good", 12, sans, 400, "good"},
	{"bad", 12, sans, 400, "bad"},
	{"number", 11, sans, 600, "ground"},
}

// advance is how wide a character counts, in parts of the size: that of DejaVu Sans
// Mono, the widest of the monospaced fonts, and more than the others have on average.
const advance = 0.61

func fontOf(class string) font {
	for _, f := range fonts {
		if f.class == class {
			return f
		}
	}
	panic("diagram: no font " + class) // a mistake in layout.go
}

// width is that of a text in pixels.
func width(class, text string) int {
	return int(math.Ceil(advance * float64(fontOf(class).size*utf8.RuneCountInString(text))))
}

// style is the style sheet: fonts, and colours on a light and on a dark ground.
func style() string {
	var b strings.Builder
	for _, f := range fonts {
		fmt.Fprintf(&b, ".%s{font:%d %dpx %s}\n", f.class, f.weight, f.size, f.family)
	}
	paint(&b, func(c colour) string { return c.light })
	b.WriteString("@media (prefers-color-scheme:dark){\n")
	paint(&b, func(c colour) string { return c.dark })
	b.WriteString("}\n")
	return b.String()
}

// paint writes what gives the classes their colours.
func paint(b *strings.Builder, of func(colour) string) {
	for _, c := range colours {
		fmt.Fprintf(b, ".f-%s{fill:%s}.s-%s{stroke:%s}\n", c.role, of(c), c.role, of(c))
	}
}

// A canvas collects elements.
type canvas struct{ strings.Builder }

func (c *canvas) text(x, y int, class, text string) {
	c.anchored(x, y, class, text, "start")
}

func (c *canvas) centred(x, y int, class, text string) {
	c.anchored(x, y, class, text, "middle")
}

func (c *canvas) anchored(x, y int, class, text, anchor string) {
	fmt.Fprintf(c, `<text x="%d" y="%d" class="%s f-%s"`, x, y, class, fontOf(class).role)
	if anchor != "start" {
		fmt.Fprintf(c, ` text-anchor="%s"`, anchor)
	}
	fmt.Fprintf(c, ">%s</text>\n", escape(text))
}

// box is a rectangle with round corners and an edge; "" for no edge.
func (c *canvas) box(x, y, w, h int, fill, edge string) {
	fmt.Fprintf(c, `<rect x="%d" y="%d" width="%d" height="%d" rx="6" class="f-%s`, x, y, w, h, fill)
	if edge != "" {
		fmt.Fprintf(c, " s-%s", edge)
	}
	c.WriteString("\"/>\n")
}

// line is a straight one; dash is for those that are not drawn through.
func (c *canvas) line(x1, y1, x2, y2 int, role, dash string) {
	fmt.Fprintf(c, `<path d="M%d %dL%d %d" class="s-%s"`, x1, y1, x2, y2, role)
	if dash != "" {
		fmt.Fprintf(c, ` stroke-dasharray="%s"`, dash)
	}
	c.WriteString("/>\n")
}

// arrow is a line with a head at its end.
func (c *canvas) arrow(from, to, y int, role, dash string) {
	back := 9
	if to > from {
		back = -9
	}
	c.line(from, y, to+back, y, role, dash)
	fmt.Fprintf(c, `<path d="M%d %dl%d -5v10z" class="f-%s"/>`+"\n", to, y, back, role)
}

// number stands on a lifeline.
func (c *canvas) number(x, y, n int, role string) {
	fmt.Fprintf(c, `<circle cx="%d" cy="%d" r="10" class="f-%s"/>`+"\n", x, y, role)
	c.centred(x, y+4, "number", fmt.Sprint(n))
}

// picture puts a whole file together.
func picture(w, h int, title, description, elements string) []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">
<title id="title">%s</title>
<desc id="desc">%s</desc>
<style>
%s</style>
<rect width="%d" height="%d" class="f-ground"/>
<g stroke-width="1.5">
%s</g>
</svg>
`, w, h, w, h, escape(title), escape(description), style(), w, h, elements)
}

func escape(text string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		panic("diagram: a builder does not fail: " + err.Error())
	}
	return b.String()
}
