package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/mech"
)

const (
	recordings = "testdata"
	pictures   = "../../docs/mechanisms"
)

func kept(t testing.TB, s scenario) []byte {
	t.Helper()
	text, err := os.ReadFile(recordingFile(recordings, s.name))
	if err != nil {
		t.Fatalf("%v (go run ./internal/diagram record internal/diagram/testdata %s)", err, s.name)
	}
	return text
}

// rows are the mechanisms of the build, and APOP.
func rows() []*mech.Mechanism { return append(mech.All(), mech.APOP) }

func scenarioNamed(name string) (scenario, bool) {
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
	if i < 0 {
		return scenario{}, false
	}
	return scenarios[i], true
}

// shape is what stays the same from one recording to the next: who speaks, what the
// fields are called, what the store is asked, how it ends.
func shape(t *testing.T, r recording, mechanism string) []string {
	t.Helper()
	family := strings.NewReplacer(rowOf(mechanism).WithoutBinding(), familySCRAM)
	var all []string
	turns := map[bool]int{}
	for _, e := range r {
		line := e.who + ": "
		s, err := parseSpeech(e, mechanism)
		switch {
		case e.who != client && e.who != server, err == nil && !s.has:
			line += e.text
		case err != nil:
			t.Fatalf("%s: %q: %v", mechanism, e.text, err)
		default:
			m := grammarOf(mechanism)(s.fromServer, turns[s.fromServer], s.message)
			turns[s.fromServer]++
			line += m.title + ": " + strings.Join(names(m), ", ")
		}
		all = append(all, family.Replace(line))
	}
	return all
}

// TestRecordings logs in again: by every mechanism of the table, and by every scenario.
func TestRecordings(t *testing.T) {
	t.Parallel()
	type login struct {
		scenario
		by string
	}
	var logins []login
	for _, m := range rows() {
		s, ok := scenarioNamed(pictureOf(m))
		if !ok {
			t.Errorf("%s has no picture: give it a scenario, record it and go generate ./internal/diagram", m.Name)
			continue
		}
		logins = append(logins, login{s, m.Name})
	}
	for _, s := range scenarios {
		if s.name != pictureOf(rowOf(s.mechanism)) {
			logins = append(logins, login{s, s.mechanism})
		}
	}
	for _, l := range logins {
		t.Run(l.name+" by "+l.by, func(t *testing.T) {
			t.Parallel()
			live, err := l.record(l.by)
			if err != nil {
				t.Fatal(err)
			}
			before, err := parseRecording(kept(t, l.scenario))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(shape(t, before, l.mechanism), shape(t, live, l.by)); diff != "" {
				t.Errorf("logging in is not what it was (if that is right: go run ./internal/diagram record internal/diagram/testdata %s):\n%s", l.name, diff)
			}
		})
	}
}

// TestPictures: what is committed is what is drawn, and nothing else.
func TestPictures(t *testing.T) {
	t.Parallel()
	const again = "go generate ./internal/diagram"
	want := map[string]bool{}
	for _, s := range scenarios {
		file := filepath.Join(pictures, s.name+".svg")
		want[file] = true
		drawn, err := s.draw(kept(t, s))
		if err != nil {
			t.Error(err)
			continue
		}
		committed, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(drawn, committed) {
			t.Errorf("%s is not what is drawn: %s (%v)", file, again, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(pictures, "*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f] {
			t.Errorf("%s is drawn by nobody: remove it", f)
		}
	}
}

// TestRun: the program makes files, and says how it is used.
func TestRun(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	if err := run([]string{"record", from, "plain"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(recordingFile(from, "plain")); err != nil {
		t.Error(err)
	}
	if err := run([]string{"draw", from, to}); err == nil {
		t.Error("recordings are missing, and that is no error")
	}
	if err := run([]string{"draw", recordings, to}); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{nil, {"draw"}, {"draw", from}, {"paint", from, to}} {
		if err := run(args); err == nil || err.Error() != usage {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestReadings: the parts of a message are the message, and all have names.
func TestReadings(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios {
		r, err := parseRecording(kept(t, s))
		if err != nil {
			t.Fatal(err)
		}
		turns, messages := map[bool]int{}, 0
		for _, e := range r {
			said, err := parseSpeech(e, s.mechanism)
			if e.who != client && e.who != server || !said.has {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			messages++
			m := grammarOf(s.mechanism)(said.fromServer, turns[said.fromServer], said.message)
			turns[said.fromServer]++
			if len(m.parts) == 0 || m.title == "" || !m.binary && joined(m) != said.message {
				t.Errorf("%s: %q is read as %+v", s.name, said.message, m)
			}
			for _, p := range m.parts {
				if p.name == "" || p.name == "extension" || p.name == "directive" {
					t.Errorf("%s: %s: %q has no name", s.name, m.title, p.text)
				}
			}
		}
		if messages == 0 {
			t.Errorf("%s has no messages", s.name)
		}
	}
}

// TestBound: the data of a channel may look like a header.
func TestBound(t *testing.T) {
	t.Parallel()
	for cbind, want := range map[string]string{
		"n,,":                "gs2-header n,,",
		"p=tls-exporter,,ab": "header + 2 bytes",
		"p=tls-unique,,,a,,": "header + 4 bytes",
		"n,":                 "no gs2-header",
	} {
		if got := bound(base64.StdEncoding.EncodeToString([]byte(cbind))); got != want {
			t.Errorf("%q: %q, want %q", cbind, got, want)
		}
	}
}

func joined(r reading) string {
	var b strings.Builder
	for _, p := range r.parts {
		b.WriteString(p.text)
	}
	return b.String()
}

// FuzzReading: whatever the message, its parts are the message.
func FuzzReading(f *testing.F) {
	f.Add(uint8(1), false, uint8(0), "p=tls-exporter,,n=alice,r=abc")
	f.Add(uint8(16), true, uint8(0), "+OK ready <a@b>")
	all := rows()
	f.Fuzz(func(t *testing.T, of uint8, fromServer bool, turn uint8, message string) {
		m := all[int(of)%len(all)]
		r := grammarOf(m.Name)(fromServer, int(turn), message)
		if !r.binary && joined(r) != message {
			t.Errorf("%s: %q is read as %+v", m.Name, message, r)
		}
	})
}

// FuzzDraw: what can be read prints as it was, and what is drawn is XML.
func FuzzDraw(f *testing.F) {
	for i, s := range scenarios {
		f.Add(uint8(i), kept(f, s))
	}
	f.Fuzz(func(t *testing.T, of uint8, text []byte) {
		s := scenarios[int(of)%len(scenarios)]
		r, err := parseRecording(text)
		if err != nil {
			if r != nil {
				t.Errorf("%v with an error", r)
			}
			return
		}
		if again := r.append(nil); !bytes.Equal(text, again) {
			t.Errorf("%q prints as %q", text, again)
		}
		if picture, err := s.draw(text); err == nil {
			if _, err := parseXML(picture); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestParseRecording has what is refused.
func TestParseRecording(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nobody":     "client: AUTH\nsomebody: 334\n",
		"empty":      "",
		"empty line": "client: AUTH\n\nserver: 235\n",
		"no colon":   "client AUTH\n",
		"no space":   "client:AUTH\n",
		"no text":    "client: \n",
		"not ended":  "client: AUTH",
	} {
		if r, err := parseRecording([]byte(text)); err == nil || r != nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	const text = "client: AUTH PLAIN\nserver: 334\nasks: A; b\nclient:\n"
	r, err := parseRecording([]byte(text))
	if err != nil || string(r.append(nil)) != text || fmt.Sprint(r[2].lines()) != "[A b]" {
		t.Errorf("%v, %v", r, err)
	}
}
