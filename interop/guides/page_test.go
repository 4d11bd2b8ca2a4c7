package guides

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const samplePage = "# A guide\n" +
	"<!-- machine: postfix swaks\n" +
	"useradd al\n" +
	"-->\n" +
	"Text.\n" +
	"```sh\n" +
	"true\n" +
	"echo hello\n" +
	"```\n" +
	"```output\n" +
	"hello\n" +
	"```\n" +
	"```ini\n" +
	"# /etc/a.conf\n" +
	"a = b\n" +
	"```\n" +
	"```sql\n" +
	"-- /etc/b.sql (added)\n" +
	"SELECT 1;\n" +
	"```\n" +
	"```log\n" +
	"a … b\n" +
	"```\n" +
	"<!-- machine: rpm\n" +
	"-->\n" +
	"```sh\n" +
	"rpm -qa\n" +
	"```\n" +
	"<!-- machine 1 -->\n" +
	"```sh\n" +
	"dpkg -l\n" +
	"```\n" +
	"<!-- reboot -->\n" +
	"## When it does not work\n" +
	"| logged | |\n" +
	"| --- | --- |\n" +
	"| `a … b`, then `c` | `true` |\n" +
	"| d | by SELinux |\n" +
	"\n" +
	"<!-- row: then `c`\n" +
	"false\n" +
	"# cured by\n" +
	"true\n" +
	"-->\n" +
	"<!-- row unexecuted: d\n" +
	"There is no SELinux here.\n" +
	"-->\n"

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := Parse(samplePage)
	if err != nil {
		t.Fatal(err)
	}
	want := &Page{
		Machines: []Situation{{[]string{"postfix", "swaks"}, "useradd al\n"}, {[]string{"rpm"}, ""}},
		Steps: []Step{
			{7, Run, "", "true\necho hello\n", "sh", 0, Row{}},
			{11, Output, "", "hello\n", "output", 0, Row{}},
			{14, Write, "/etc/a.conf", "# /etc/a.conf\na = b\n", "ini", 0, Row{}},
			{18, Add, "/etc/b.sql", "-- /etc/b.sql (added)\nSELECT 1;\n", "sql", 0, Row{}},
			{22, Log, "", "a … b\n", "log", 0, Row{}},
			{27, Run, "", "rpm -qa\n", "sh", 1, Row{}},
			{31, Run, "", "dpkg -l\n", "sh", 0, Row{}},
			{33, Reboot, "", "", "", 0, Row{}},
			{41, Trouble, "", "false\n", "", 0, Row{[]string{"a … b", "c"}, "true\n"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every guide is one, also where no machine boots.
func TestGuidesParse(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/guides/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no guides: %v", err)
	}
	for _, name := range pages {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(string(text)); err != nil && filepath.Base(name) != "README.md" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What nothing would execute is no guide.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const machine = "<!-- machine: swaks\n-->\n"
	const table = machine + "## When it does not work\n| logged | |\n| --- | --- |\n| a | b |\n| c | d |\n"
	const row = "<!-- row: a\nfalse\n# cured by\ntrue\n-->\n"
	for name, c := range map[string]struct{ page, want string }{
		"no machine":        {"text\n", "no machine"},
		"machine not there": {machine + "<!-- machine 2 -->\n", "line 3: "},
		"machine number":    {machine + "<!-- machine one -->\n", "line 3: "},
		"machine open":      {"<!-- machine: a\n", "line 1: "},
		"block open":        {machine + "```sh\ntrue\n", "line 3: the block has no end"},
		"no path":           {machine + "```ini\na = b\n```\n", "nothing would execute"},
		"no language":       {machine + "```\n# /etc/a\n```\n", "nothing would execute"},
		"relative path":     {machine + "```ini\n# etc/a\n```\n", "nothing would execute"},
		"a comment":         {machine + "```ini\n# /etc/a is a file\n```\n", "nothing would execute"},
		"empty block":       {machine + "```sh\n```\n", "empty"},
		"indented code":     {machine + "\n    true\n", "line 4: an indented block"},
		"block in a list":   {machine + "- item\n  ```sh\n  true\n  ```\n", "line 4: "},
		"row alone":         {machine + row, "not in the next row"},
		"row untold":        {table + row, "line 7: nothing would execute the row c"},
		"row untold before": {table + row + "## Next\n", "line 7: nothing would execute the row c"},
		"row of others":     {table + row + row, `"a" is not in the next row`},
		"row without words": {table + "<!-- row: \n-->\n", "not in the next row"},
		"row open":          {table + "<!-- row: a\n", "the row has no end"},
		"row without cure":  {table + "<!-- row: a\nfalse\n-->\n", "cured by"},
		"row cured by none": {table + "<!-- row: a\nfalse\n# cured by\n-->\n", "cured by"},
		"row not broken":    {table + "<!-- row: a\n# cured by\ntrue\n-->\n", "cured by"},
		"row unreasoned":    {table + "<!-- row unexecuted: a\n-->\n", "no reason"},
		"row misspelt":      {table + "<!-- rows: a\n-->\n", "a row is"},
		"unclosed by space": {machine + "```sh\ntrue\n ```\n", "no end"},
	} {
		if p, err := Parse(c.page); err == nil || p != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v, want %q", name, p, err, c.want)
		}
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	const text = "one two three\nfour five\nsix\n"
	for name, c := range map[string]struct{ want, missing string }{
		"all":                   {"one two three\nfour five\nsix\n", ""},
		"some":                  {"five\nsix", ""},
		"anything between":      {"one … three", ""},
		"order of lines":        {"six\nfive", "five"},
		"order of pieces":       {"three … one", "three … one"},
		"a line for each":       {"one\ntwo", "two"},
		"not there":             {"seven", "seven"},
		"pieces across a line":  {"three … four", "three … four"},
		"anything at both ends": {"… five …", ""},
	} {
		if got := Missing(text, c.want); got != c.missing {
			t.Errorf("%s: missing %q, want %q", name, got, c.missing)
		}
	}
}

func TestUnlogged(t *testing.T) {
	t.Parallel()
	const text = "saslkit: fail\npostfix: fail\nsaslkit: ok\n"
	for name, c := range map[string]struct{ want, missing string }{
		"in order":        {"saslkit: fail\nsaslkit: ok", ""},
		"in another":      {"postfix: fail\nsaslkit: … fail", ""},
		"a line for each": {"saslkit\nsaslkit\nsaslkit", "saslkit"},
		"not there":       {"saslkit: ok\npostfix: ok", "postfix: ok"},
	} {
		if got := Unlogged(text, c.want); got != c.missing {
			t.Errorf("%s: missing %q, want %q", name, got, c.missing)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(samplePage)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if (p == nil) != (err != nil) {
			t.Fatalf("%+v, %v", p, err)
		}
		if p == nil {
			return
		}
		for _, s := range p.Steps {
			if !strings.Contains(text, s.Text) || (s.File == "") != (s.Kind < Write) || s.On >= len(p.Machines) ||
				(s.Row.Cure == "") != (s.Kind != Trouble) {
				t.Fatalf("%+v", s)
			}
		}
	})
}
