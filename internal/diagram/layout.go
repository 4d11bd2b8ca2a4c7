package main

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Where things stand, in pixels.
const (
	margin  = 20
	clientX = 95
	serverX = clientX + 560
	storeX  = serverX + 290
	row     = 18  // from one line of text to the next
	padding = 12  // of cards
	indent  = 18  // of what stands between lifelines
	nameX   = 264 // of a part's name, from the card's edge
	top     = 66  // of the parties
	partyH  = 42
)

// A sheet is a picture under way.
type sheet struct {
	canvas
	scenario
	y       int // where the next thing begins
	numbers int
	turns   map[bool]int // messages of the mechanism so far; true: the server's
	account []string     // what happens, in words
}

// draw makes the picture of a recording.
func (s scenario) draw(text []byte) ([]byte, error) {
	r, err := parseRecording(text)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, s.name)
	}
	d := &sheet{scenario: s, y: top + partyH, turns: map[bool]int{}}
	for _, e := range r {
		if err := d.event(e); err != nil {
			return nil, fmt.Errorf("diagram: %s: %w", s.name, err)
		}
	}
	var all canvas
	d.heading(&all)
	all.WriteString(d.String())
	title := s.title + ", a sequence diagram"
	return picture(d.width(), d.y+margin, title, strings.Join(d.account, " "), all.String()), nil
}

func (d *sheet) width() int {
	if d.store.name == "" {
		return serverX + clientX
	}
	return storeX + clientX
}

// heading draws title, parties and lifelines.
func (d *sheet) heading(c *canvas) {
	c.text(margin, 34, "title", d.title)
	c.text(margin, 54, "standard", d.standard)
	d.party(c, cmp.Or(d.client, theClient), clientX, "client")
	d.party(c, theServer, serverX, "server")
	if d.store.name != "" {
		d.party(c, d.store, storeX, "store")
	}
}

func (d *sheet) party(c *canvas, p party, x int, role string) {
	c.line(x, top+partyH, x, d.y, "rule", "2 4")
	w := width("is", p.is) + 2*padding
	c.box(x-w/2, top, w, partyH, "card", role)
	c.centred(x, top+18, "party", p.name)
	c.centred(x, top+34, "is", p.is)
}

func (d *sheet) event(e event) error {
	switch e.who {
	case asks:
		d.question(e.lines())
	case answers:
		d.answer(e.lines())
	case clientEnds, serverEnds:
		d.end(e)
	default:
		return d.speech(e)
	}
	return nil
}

// speech draws a line of the protocol, and the message in it.
func (d *sheet) speech(e event) error {
	s, err := parseSpeech(e, d.mechanism)
	if err != nil {
		return err
	}
	from, to := clientX, serverX
	if s.fromServer {
		from, to = to, from
	}
	line := s.line
	if line == "" {
		line = "(an empty line)"
	}
	d.y += 26
	d.text(clientX+indent, d.y, "line", shorten(line, 68, "characters"))
	d.y += 12
	d.numbers++
	d.arrow(from, to, d.y, e.who, "")
	d.number(from, d.y, d.numbers, e.who)
	said := fmt.Sprintf("%d. %s: %s", d.numbers, e.who, shorten(line, 68, "characters"))
	if s.has {
		r := grammarOf(d.mechanism)(s.fromServer, d.turns[s.fromServer], s.message)
		d.turns[s.fromServer]++
		d.card(r, "by"+e.who)
		said += ", " + r.title + " with " + strings.Join(names(r), ", ")
	}
	d.account = append(d.account, said+".")
	return nil
}

// names are what a message holds.
func names(r reading) []string {
	var all []string
	for _, p := range r.parts {
		all = append(all, p.name)
	}
	return all
}

// card draws a message taken apart.
func (d *sheet) card(r reading, class string) {
	d.y += 10
	x, h := clientX+indent, row*(len(r.parts)+1)+14
	d.box(x, d.y, serverX-clientX-2*indent, h, "card", "edge")
	y := d.y + 20
	d.text(x+padding, y, class, r.title)
	for _, p := range r.parts {
		y += row
		class, text := "line", shorten(visible(p.text), 33, "bytes")
		if p.text == "" {
			class, text = "quiet", "(empty)"
		}
		d.text(x+padding, y, class, text)
		d.labelled(x+nameX, y, p.name, p.note)
	}
	d.y += h
}

// labelled draws a name and behind it a note.
func (c *canvas) labelled(x, y int, name, note string) {
	if note == "" {
		c.text(x, y, "name", name)
		return
	}
	fmt.Fprintf(c, `<text x="%d" y="%d"><tspan class="name f-ink">%s</tspan><tspan dx="8" class="note f-faint">%s</tspan></text>`+"\n", x, y, escape(name), escape(note))
}

// question draws what the server asks its store.
func (d *sheet) question(lines []string) {
	d.y += 26
	d.text(serverX+indent, d.y, "bystore", lines[0])
	d.y += 10
	d.arrow(serverX, storeX, d.y, "store", "")
	for _, l := range lines[1:] {
		d.y += row
		d.text(serverX+indent, d.y, "quiet", shorten(l, 35, "characters"))
	}
	d.account = append(d.account, fmt.Sprintf("The server asks: %s.", strings.Join(lines, ", ")))
}

// answer draws what the store says.
func (d *sheet) answer(lines []string) {
	d.y += 10
	for _, l := range lines {
		d.y += row
		d.text(serverX+indent, d.y, "line", shorten(l, 35, "characters"))
	}
	d.y += 10
	d.arrow(storeX, serverX, d.y, "store", "5 4")
	d.account = append(d.account, fmt.Sprintf("The answer: %s.", strings.Join(lines, ", ")))
}

// end draws what a side makes of it.
func (d *sheet) end(e event) {
	lines := e.lines()
	class := "good"
	if strings.HasPrefix(lines[0], "no") {
		class = "bad"
	}
	w := 0
	for _, l := range lines {
		w = max(w, width(class, l)+2*padding)
	}
	x, h := margin, row*len(lines)+12
	if e.who == serverEnds {
		x = min(serverX-w/2, d.width()-margin-w)
	}
	d.y += 16
	d.box(x, d.y, w, h, class+"card", class)
	for i, l := range lines {
		d.text(x+padding, d.y+19+i*row, class, l)
	}
	d.y += h
	d.account = append(d.account, fmt.Sprintf("The %s: %s.", strings.TrimSuffix(e.who, " ends"), strings.Join(lines, ", ")))
}

// visible makes the two bytes that one would not see visible.
func visible(text string) string {
	return strings.NewReplacer("\x00", "<NUL>", "\x01", "^A").Replace(text)
}

// shorten cuts a text to so many characters, and says how long it was.
func shorten(text string, most int, unit string) string {
	n := utf8.RuneCountInString(text)
	if n <= most {
		return text
	}
	length := fmt.Sprintf("… %d %s", n, unit)
	keep := []rune(text)[:most-utf8.RuneCountInString(length)]
	return string(keep) + length
}
