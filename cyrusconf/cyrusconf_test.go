package cyrusconf

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cases are files, what they say, and what is wrong with them.
var cases = []struct {
	name, text string
	want       []Setting
	faults     []SyntaxError // without Name
	cyrus      bool          // Cyrus reads it nevertheless
}{
	{name: "empty", text: ""},
	{name: "ordinary", text: "pwcheck_method: auxprop\nmech_list:plain  login\n", want: []Setting{
		{"pwcheck_method", "auxprop", 1}, {"mech_list", "plain  login", 2},
	}},
	{name: "no newline at the end", text: "a: x", want: []Setting{{"a", "x", 1}}},
	{name: "comments and blank lines", text: "# a: x\n\n \t\r\n \t#b:y\nc: z # no comment\n", want: []Setting{{"c", "z # no comment", 5}}},
	{name: "comment as a value", text: "a:#x\n", want: []Setting{{"a", "#x", 1}}},
	{name: "blanks", text: " \t\v\fa:\v\f \tx y \t\r\n", want: []Setting{{"a", "x y", 1}}},
	{name: "case of keys", text: "Mech_LIST-9: Plain\n", want: []Setting{{"mech_list-9", "Plain", 1}}},
	{name: "twice", text: "a: 1\na: 2\n", want: []Setting{{"a", "1", 1}, {"a", "2", 2}}},
	{name: "any bytes as a value", text: "a: \xa0\xff\x01\n", want: []Setting{{"a", "\xa0\xff\x01", 1}}},
	{name: "no key", text: ": x\n", want: []Setting{{"", "x", 1}}},
	{name: "colons as a value", text: "a:::\n", want: []Setting{{"a", "::", 1}}},
	{name: "longest line", text: "a: " + strings.Repeat("x", 4092) + "\n", want: []Setting{{"a", strings.Repeat("x", 4092), 1}}},

	{name: "blank before the colon", text: "a: x\nmech_list : plain\n", faults: []SyntaxError{{Line: 2, Reason: "blank before the colon, which must touch the key"}}},
	{name: "no colon", text: "mech_list plain\n", faults: []SyntaxError{{Line: 1, Reason: "expected a key of letters, digits, '-' and '_', then a colon"}}},
	{name: "key alone", text: "mech_list", faults: []SyntaxError{{Line: 1, Reason: "expected a key of letters, digits, '-' and '_', then a colon"}}},
	{name: "dot in the key", text: "a.b: x\n", faults: []SyntaxError{{Line: 1, Reason: "expected a key of letters, digits, '-' and '_', then a colon"}}},
	{name: "umlaut in the key", text: "ä: x\n", faults: []SyntaxError{{Line: 1, Reason: "expected a key of letters, digits, '-' and '_', then a colon"}}},
	{name: "empty value", text: "sasldb_path:\n", faults: []SyntaxError{{Line: 1, Reason: "sasldb_path has no value (to keep the default, leave the line out)"}}},
	{name: "blank value", text: "A: \t\r\n", faults: []SyntaxError{{Line: 1, Reason: "a has no value (to keep the default, leave the line out)"}}},
	{name: "two faults", text: "a\nb: x\nc:\n", faults: []SyntaxError{
		{Line: 1, Reason: "expected a key of letters, digits, '-' and '_', then a colon"},
		{Line: 3, Reason: "c has no value (to keep the default, leave the line out)"},
	}},
	{name: "line too long", text: "a: " + strings.Repeat("x", 4093) + "\n", faults: []SyntaxError{{Line: 1, Reason: "line of 4096 bytes, more than 4095 are cut"}}},
	{name: "NUL in the value", text: "a: x\x00y\n", faults: []SyntaxError{{Line: 1, Reason: "line holds NUL"}}, cyrus: true},
	{name: "NUL in the key", text: "a\x00: x\n", faults: []SyntaxError{{Line: 1, Reason: "line holds NUL"}}},
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range cases {
		f, err := Parse("smtpd.conf", strings.NewReader(c.text))
		if c.faults == nil {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if diff := cmp.Diff(&File{"smtpd.conf", c.want}, f); diff != "" {
				t.Errorf("%s: -want +got:\n%s", c.name, diff)
			}
			continue
		}
		var want []string
		for _, fault := range c.faults {
			fault.Name = "smtpd.conf"
			want = append(want, fault.Error())
		}
		var syntax *SyntaxError
		if f != nil || !errors.As(err, &syntax) {
			t.Errorf("%s: %v, %v", c.name, f, err)
		} else if diff := cmp.Diff(strings.Join(want, "\n"), err.Error()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
	if f, err := Parse("x", strings.NewReader(strings.Repeat("a: x\n", maxFile/5+1))); f != nil || err == nil {
		t.Errorf("file too long: %v, %v", f != nil, err)
	}
	if _, err := Parse("x", io.MultiReader(strings.NewReader("a: x\n"), broken{})); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("failed read: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestValues(t *testing.T) {
	t.Parallel()
	f, err := Parse("x", strings.NewReader("mech_list: plain\tLOGIN  otp\nmech_list: anonymous\n"))
	if err != nil {
		t.Fatal(err)
	}
	if value, ok := f.Value("mech_list"); !ok || value != "plain\tLOGIN  otp" {
		t.Errorf("Value: %q, %v", value, ok)
	}
	if diff := cmp.Diff([]string{"plain", "LOGIN", "otp"}, f.Words("mech_list")); diff != "" {
		t.Errorf("Words: -want +got:\n%s", diff)
	}
	var none File
	if value, ok := none.Value("mech_list"); ok || value != "" || len(none.Words("mech_list")) > 0 || none.Bool("mech_list") {
		t.Error("the zero File sets something")
	}
}

// The first letters decide, as they do for saslpasswd2 2.1.28.
func TestBool(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"yes": true, "y": true, "true": true, "tru": true, "1": true, "1x": true, "on": true, "onx": true,
		"no": false, "0": false, "false": false, "off": false, "Yes": false, "On": false, "ON": false, "oN": false, "True": false, "10": true,
	} {
		f := &File{Settings: []Setting{{Key: "a", Value: value}}}
		if f.Bool("a") != want {
			t.Errorf("%q: %v, want %v", value, !want, want)
		}
	}
}

// inFolder writes files and returns their folder.
func inFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	first := inFolder(t, map[string]string{"smtpd.conf": "a: first\n", "bad.conf": "a\n"})
	second := inFolder(t, map[string]string{"smtpd.conf": "a: second\n", "imapd.conf": "a: imap\n", "folder.conf": "a: file\n"})
	t.Chdir(second) // where an empty folder in the list does not lead
	if err := os.Mkdir(filepath.Join(first, "folder.conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SASL_CONF_PATH", "::"+first+"::"+second+":/nonexistent")
	for app, want := range map[string]string{"smtpd": "first", "imapd": "imap", "folder": "file", "none": "", "": "", "../smtpd": "", "smtpd\x00": ""} {
		f, err := Load(app)
		if err != nil {
			t.Errorf("%q: %v", app, err)
			continue
		}
		if value, _ := f.Value("a"); value != want {
			t.Errorf("%q: %s says %q, want %q", app, f.Name, value, want)
		}
	}
	if path, ok := Find("smtpd"); !ok || path != filepath.Join(first, "smtpd.conf") {
		t.Errorf("Find: %q, %v", path, ok)
	}
	if _, err := Load("bad"); err == nil || !strings.Contains(err.Error(), filepath.Join(first, "bad.conf")+":1: ") {
		t.Errorf("a file with a fault: %v", err)
	}
	t.Setenv("SASL_CONF_PATH", "")
	if path, ok := Find("surely-nobody-has-this"); ok {
		t.Errorf("without the variable: %q", path)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range cases {
		if len(c.text) < 1000 {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("x", strings.NewReader(text))
		if err != nil {
			if file != nil {
				t.Fatalf("error %v comes with %+v", err, file)
			}
			return
		}
		var printed strings.Builder
		line := 0
		for _, s := range file.Settings {
			if s.Value == "" || s.Line <= line || s.Key != strings.ToLower(s.Key) {
				t.Fatalf("%q: setting %+v after line %d", text, s, line)
			}
			printed.WriteString(strings.Repeat("\n", s.Line-line-1) + s.Key + ": " + s.Value + "\n")
			line = s.Line
		}
		again, err := Parse("x", strings.NewReader(printed.String()))
		if diff := cmp.Diff(file, again); diff != "" && strings.Count(text, "\n")+len(text) < maxLine {
			t.Fatalf("%q: %v, -first +again:\n%s", text, err, diff)
		}
	})
}
