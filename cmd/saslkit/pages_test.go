package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// inPage finds commands of ours in a page: in code that is indented or fenced, and in
// backquotes.
var inPage = regexp.MustCompile("(?m)^    (?:\\$ )?saslkit ([^\n#|<>&]*)|`saslkit ([^`\n|<>&]*)`")

// TestPagesCommands: the commands and options that the pages show are there.
func TestPagesCommands(t *testing.T) {
	t.Parallel()
	found := 0
	check := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inPage.FindAllStringSubmatch(indented(string(text)), -1) {
			line := strings.TrimSpace(m[1] + m[2])
			if fault := wrongOptions(line); fault != "" {
				t.Errorf("%s: saslkit %s: %s", path, line, fault)
			}
			found++
		}
	}
	check("../../README.md")
	err := filepath.WalkDir("../../docs", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			check(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 100 {
		t.Errorf("only %d commands", found)
	}
}

// indented is a page without fences, on which commands of several lines are one.
func indented(text string) string {
	var b strings.Builder
	fenced := false
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	return b.String()
}

var isOption = regexp.MustCompile(`(?:^|[\s\[])(--?[a-zA-Z][a-z0-9-]*)`)

// wrongOptions says which option of a command there is not, or that the command is none.
// Values may hold anything; placeholders in capitals are values.
func wrongOptions(line string) string {
	var out bytes.Buffer
	root := newRoot(newStdio("saslkit", strings.NewReader(""), &out, &out))
	words := strings.Fields(line)
	if len(words) == 0 || strings.Trim(words[0], "abcdefghijklmnopqrstuvwxyz-") != "" {
		return "" // a sentence
	}
	cmd, _, err := root.Find(words[:1])
	if err != nil || cmd == root {
		if strings.HasPrefix(words[0], "--") {
			return ""
		}
		return "no such command"
	}
	for _, m := range isOption.FindAllStringSubmatch(" "+strings.Join(words[1:], " "), -1) {
		name := strings.TrimLeft(m[1], "-")
		long := strings.HasPrefix(m[1], "--")
		if long && cmd.Flags().Lookup(name) == nil || !long && cmd.Flags().ShorthandLookup(name[:1]) == nil {
			return "no option " + m[1]
		}
	}
	return ""
}
