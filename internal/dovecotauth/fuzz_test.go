package dovecotauth

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// FuzzClient and FuzzServer: an error comes with nothing else, and what was parsed is
// parsed again from what it prints.
func FuzzClient(f *testing.F) {
	for _, l := range clientLines {
		f.Add([]byte(l.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) { again(t, ParseClient, line) })
}

func FuzzServer(f *testing.F) {
	for _, l := range serverLines {
		f.Add([]byte(l.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) { again(t, ParseServer, line) })
}

func again(t *testing.T, parse func([]byte) (Message, error), line []byte) {
	m, err := parse(line)
	if m == nil || err != nil {
		if m != nil {
			t.Fatalf("%v with error %v", m, err)
		}
		return
	}
	printed, err := m.Append(nil)
	if err != nil {
		t.Fatalf("what was parsed from %q cannot be said: %v", line, err)
	}
	if n := bytes.IndexByte(printed, '\n'); n != len(printed)-1 {
		t.Fatalf("printed %q, not one line", printed)
	}
	second, err := parse(printed[:len(printed)-1])
	if diff := cmp.Diff(m, second); err != nil || diff != "" {
		t.Fatalf("%q became %q: %v, -first +second:\n%s", line, printed, err, diff)
	}
}

// FuzzGreeting: a greeting that was read to its end can be said again, if it has all
// its lines.
func FuzzGreeting(f *testing.F) {
	f.Add("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t17\nCUID\t1\nCOOKIE\t0123\nDONE\n")
	f.Add("VERSION\t1\t0\nMECH\tPLAIN\nX\nMECH\tLOGIN\nSPID\t17\nCUID\t1\nDONE\n")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := greetingIn(text)
		if err != nil || g.SPID == "" || g.CUID == "" || len(g.Mechs)+5 > maxGreeting {
			return
		}
		printed, err := g.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		second, err := greetingIn(string(printed))
		g.lines, second.lines = 0, 0
		if diff := cmp.Diff(g, second, cmp.AllowUnexported(Greeting{})); err != nil || diff != "" {
			t.Fatalf("%v, -first +second:\n%s", err, diff)
		}
	})
}

// FuzzReader: lines are those that strings.Lines finds, however the bytes arrive.
func FuzzReader(f *testing.F) {
	f.Add("a\n\nb", false)
	f.Add(strings.Repeat("x", MaxLine)+"\n", true)
	f.Fuzz(func(t *testing.T, text string, slowly bool) {
		var source io.Reader = strings.NewReader(text)
		if slowly {
			source = iotest.OneByteReader(source)
		}
		r := NewReader(source)
		for want := range strings.Lines(text) {
			got, err := r.Line()
			bare, whole := strings.CutSuffix(want, "\n")
			switch {
			case len(bare) >= MaxLine:
				if err != ErrLineTooLong {
					t.Fatalf("a line of %d bytes: %v", len(want), err)
				}
				return
			case !whole:
				if err != io.ErrUnexpectedEOF {
					t.Fatalf("got %q, %v in place of the end", got, err)
				}
				return
			case string(got) != bare || err != nil:
				t.Fatalf("got %q, %v, want %q", got, err, bare)
			}
		}
		if _, err := r.Line(); err != io.EOF {
			t.Fatalf("got %v at the end", err)
		}
	})
}
