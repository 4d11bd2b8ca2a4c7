package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// An element of a picture.
type element struct {
	name, in string
	attrs    map[string]string
	text     string
}

func (e element) number(t testing.TB, attr string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(e.attrs[attr], 64)
	if err != nil {
		t.Fatalf("%+v: %s: %v", e, attr, err)
	}
	return n
}

// parseXML returns the elements in the order of their ends.
func parseXML(b []byte) ([]element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(b))
	var open, all []element
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attrs: map[string]string{}}
			if len(open) > 0 {
				e.in = open[len(open)-1].name
			}
			for _, a := range token.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			open = append(open, e)
		case xml.EndElement:
			all = append(all, open[len(open)-1])
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(token)
			}
		default:
			return nil, fmt.Errorf("%T in the picture", token)
		}
	}
}

// eachPicture runs a test for each committed picture.
func eachPicture(t *testing.T, f func(t *testing.T, text []byte, all []element)) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(pictures, s.name+".svg"))
			if err != nil {
				t.Fatal(err)
			}
			all, err := parseXML(text)
			if err != nil {
				t.Fatal(err)
			}
			f(t, text, all)
		})
	}
}

// TestElements: there are title and description, and nothing that could run or be
// fetched.
func TestElements(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{
		"svg":   "xmlns width height viewBox role aria-labelledby",
		"title": "id", "desc": "id", "style": "",
		"g": "stroke-width", "rect": "x y width height rx class", "path": "d class stroke-dasharray",
		"circle": "cx cy r class", "text": "x y class text-anchor", "tspan": "dx class",
	}
	eachPicture(t, func(t *testing.T, text []byte, all []element) {
		said := map[string]string{}
		for _, e := range all {
			attrs, ok := allowed[e.name]
			for a := range e.attrs {
				ok = ok && strings.Contains(" "+attrs+" ", " "+a+" ")
			}
			if !ok {
				t.Errorf("%+v in the picture", e)
			}
			said[e.name] += e.text
		}
		if len(said["title"]) < 10 || !strings.Contains(said["desc"], "1. ") || !strings.Contains(said["desc"], "The client: ") {
			t.Errorf("title %q, description %q", said["title"], said["desc"])
		}
		rest := strings.Replace(string(text), `"http://www.w3.org/2000/svg"`, "", 1)
		if outside := regexp.MustCompile(`(?i)url\(|@import|javascript|<!|xlink`).FindString(rest); outside != "" {
			t.Errorf("%q in the picture", outside)
		}
		if len(text) > 16<<10 {
			t.Errorf("%d bytes", len(text))
		}
	})
}

// TestBounds: nothing stands outside of the picture, and no text on another, with
// characters as wide as those of DejaVu Sans Mono.
func TestBounds(t *testing.T) {
	t.Parallel()
	eachPicture(t, func(t *testing.T, _ []byte, all []element) {
		svg := all[len(all)-1]
		w, h := svg.number(t, "width"), svg.number(t, "height")
		if w > 1050 || h > 1400 {
			t.Errorf("%v by %v", w, h)
		}
		ends := map[float64]float64{} // by line
		for i, e := range all {
			var x1, y1, x2, y2 float64
			switch e.name {
			case "rect":
				if e.attrs["x"] == "" {
					continue // the ground
				}
				x1, y1 = e.number(t, "x"), e.number(t, "y")
				x2, y2 = x1+e.number(t, "width"), y1+e.number(t, "height")
			case "text":
				long := wide(e.attrs["class"], e.text)
				for _, part := range all[max(i-2, 0):i] {
					if part.in == "text" && e.text == "" {
						long += wide(part.attrs["class"], part.text) + 8
					}
				}
				x1, y2 = e.number(t, "x"), e.number(t, "y")
				if e.attrs["text-anchor"] == "middle" {
					x1 -= long / 2
				}
				x2, y1 = x1+long, y2-12
				if x1 == clientX+indent+nameX && x2 > serverX-indent {
					t.Errorf("%q does not end in its card", e.text+all[i-1].text)
				}
				if last, ok := ends[y2]; ok && x1 < last && e.attrs["class"] != "number f-ground" {
					t.Errorf("%q stands on another text", e.text)
				}
				ends[y2] = x2
			default:
				continue
			}
			if x1 < 5 || y1 < 5 || x2 > w-5 || y2 > h-5 {
				t.Errorf("%s %q stands at %v,%v to %v,%v of %v,%v", e.name, e.text, x1, y1, x2, y2, w, h)
			}
		}
	})
}

// wide is how wide a text of these classes is.
func wide(classes, text string) float64 {
	for _, f := range fonts {
		if strings.HasPrefix(classes, f.class+" ") {
			return 0.61 * float64(f.size*utf8.RuneCountInString(text))
		}
	}
	return 0
}

// TestContrast: text can be read on whatever it stands, by WCAG's measure, on a light
// and on a dark ground.
func TestContrast(t *testing.T) {
	t.Parallel()
	grounds := map[string][]string{
		"ink": {"ground", "card"}, "faint": {"ground", "card"}, "client": {"card"}, "server": {"card"}, "store": {"ground"},
		"good": {"goodcard"}, "bad": {"badcard"}, "ground": {"client", "server"}, // the numbers
	}
	for _, f := range fonts {
		if grounds[f.role] == nil {
			t.Errorf("on what does %s stand?", f.role)
		}
		for _, ground := range grounds[f.role] {
			a, b := colourOf(t, f.role), colourOf(t, ground)
			for _, pair := range [][2]string{{a.light, b.light}, {a.dark, b.dark}} {
				if c := contrast(t, pair[0], pair[1]); c < 4.5 {
					t.Errorf("%s on %s: %s on %s: contrast %.1f", f.role, ground, pair[0], pair[1], c)
				}
			}
		}
	}
}

func colourOf(t *testing.T, role string) colour {
	t.Helper()
	for _, c := range colours {
		if c.role == role {
			return c
		}
	}
	t.Fatalf("no colour %s", role)
	return colour{}
}

// contrast is that of WCAG 2.1: 1 to 21.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	var rgb [3]int
	if _, err := fmt.Sscanf(colour, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(rgb[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}
