package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saslkit/saslkit/cmd/saslkit/internal/manual"
	"github.com/saslkit/saslkit/internal/peers"
)

// commandTree is the command and all its sub-commands.
func commandTree() (root *cobra.Command, all []*cobra.Command) {
	root = newRoot(newStdio("saslkit", strings.NewReader(""), io.Discard, io.Discard))
	return root, append(root.Commands(), root)
}

// manualPages are the pages by their names.
func manualPages(t *testing.T) map[string]string {
	t.Helper()
	root, _ := commandTree()
	pages := make(map[string]string)
	for _, f := range manual.Pages(root, time.Unix(1_750_000_000, 0)) {
		pages[f.Name] = f.Text
	}
	return pages
}

// unformatted is what a page says, without what only changes how that looks.
func unformatted(page string) string {
	return strings.NewReplacer(`\fB`, "", `\fI`, "", `\fR`, "", `\-`, "-", `\%`, "", `\ `, " ", `\(aq`, "'", `\(dq`, `"`, `\&`, "", "\n", " ").Replace(page)
}

// TestHelpIsWhole: every command says what it is for and shows examples, and so does
// every option.
func TestHelpIsWhole(t *testing.T) {
	t.Parallel()
	root, all := commandTree()
	for _, cmd := range all {
		if cmd.Name() == "help" {
			continue
		}
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" && cmd != root {
			t.Errorf("%s: help has no short text, no long text or no example", cmd.Name())
		}
		for line := range strings.Lines(cmd.Long) {
			if len(line) > 90 && !strings.HasPrefix(line, " ") {
				t.Errorf("%s: a line of %d characters: %q", cmd.Name(), len(line), line)
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			value, meaning := pflag.UnquoteUsage(f)
			if len(meaning) < 10 {
				t.Errorf("%s --%s: %q", cmd.Name(), f.Name, meaning)
			}
			if isSwitch := f.Value.Type() == "bool"; isSwitch != (value == "") || value != strings.ToUpper(value) {
				t.Errorf("%s --%s: the value is called %q", cmd.Name(), f.Name, value)
			}
		})
	}
}

// TestManualIsWhole: each command has a page, with all its options and sections, and
// saslkit(8) all commands and kinds of stores.
func TestManualIsWhole(t *testing.T) {
	t.Parallel()
	pages := manualPages(t)
	root, all := commandTree()
	for _, cmd := range all {
		if cmd.Name() == "help" {
			continue
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".8"
		page, ok := pages[name]
		if !ok {
			t.Errorf("no page %s", name)
			continue
		}
		sections := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", `"EXIT STATUS"`, `"SEE ALSO"`}
		if cmd != root {
			sections = append(sections, "EXAMPLES")
		}
		for _, s := range sections {
			if _, rest, found := strings.Cut(page, "\n.SH "+s+"\n"); !found || strings.HasPrefix(rest, ".SH") || rest == "" {
				t.Errorf("%s: section %s is missing or empty", name, s)
			}
		}
		text := unformatted(page)
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			value, _ := pflag.UnquoteUsage(f)
			word := "--" + f.Name
			if f.Shorthand != "" {
				word = "-" + f.Shorthand + ", " + word
			}
			if want := " .TP " + strings.TrimSpace(word+" "+value) + " "; !strings.Contains(text, want) {
				t.Errorf("%s: no option %q", name, want)
			}
		})
		if cmd != root && !strings.Contains(unformatted(pages["saslkit.8"]), "saslkit-"+cmd.Name()+"(8)") {
			t.Errorf("saslkit.8: no %s", cmd.Name())
		}
	}
	for spec := range strings.FieldsSeq(knownSpecs()) {
		if !strings.Contains(unformatted(pages["saslkit.8"]), ".TP "+spec+" ") {
			t.Errorf("saslkit.8: no %s", spec)
		}
	}
	for name, page := range pages {
		if strings.ContainsFunc(page, func(r rune) bool { return r > '~' || r == '?' }) { // ? stands for what is not ASCII
			t.Errorf("%s: not all is ASCII", name)
		}
	}
	if diff := cmp.Diff(pages, manualPages(t)); diff != "" {
		t.Errorf("made again: %s", diff)
	}
}

// TestManualOfOldNames: the pages of the old names have the options that the old names
// take, and no others.
func TestManualOfOldNames(t *testing.T) {
	t.Parallel()
	pages := manualPages(t)
	for name := range oldNames {
		page := unformatted(pages["saslkit-"+name+".8"])
		if page == "" {
			t.Errorf("no page saslkit-%s.8", name)
		}
		for letter := byte('A'); letter <= 'z'; letter++ {
			if letter > 'Z' && letter < 'a' {
				continue
			}
			// Behind a letter that is unknown, so that nothing is done but to parse.
			got := runOld(t, name, "", "-"+string(letter)+"-", "-?")
			takes := !strings.Contains(got.stderr, "invalid option -- '"+string(letter)+"'")
			if told := strings.Contains(page, " .TP -"+string(letter)+" "); told != takes {
				t.Errorf("%s -%c: takes it: %v, the page has it: %v", name, letter, takes, told)
			}
		}
	}
}

// TestManualStyle: man and mandoc find nothing wrong.
func TestManualStyle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, _ := commandTree()
	if err := manual.Write(dir, manual.Pages(root, time.Unix(1_750_000_000, 0))); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.8"))
	if err != nil || len(paths) != len(manualPages(t)) {
		t.Fatalf("%q, %v", paths, err)
	}
	t.Run("mandoc", func(t *testing.T) {
		t.Parallel()
		mandoc := peers.Need(t, "mandoc", "mandoc")
		out, err := exec.CommandContext(t.Context(), mandoc, append([]string{"-T", "lint", "-W", "style"}, paths...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("man", func(t *testing.T) {
		t.Parallel()
		man := peers.Need(t, "man", "man-db")
		for _, path := range paths {
			cmd := exec.CommandContext(t.Context(), man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path)
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80")
			var told bytes.Buffer
			cmd.Stderr = &told
			out, err := cmd.Output()
			if err != nil || told.Len() > 0 || len(out) < 1000 {
				t.Errorf("%s: %v, %d bytes: %s", path, err, len(out), &told)
			}
		}
	})
}

// TestManualOfFedora: built for Fedora, the pages name the database where Cyrus SASL has it
// there, and are otherwise the same.
func TestManualOfFedora(t *testing.T) {
	t.Parallel()
	goTool := peers.Need(t, "go", "golang-go")
	written := func(tags string) map[string][]string {
		dir, pages := t.TempDir(), map[string][]string{}
		cmd := exec.CommandContext(t.Context(), goTool, "run", "-tags", tags, ".", dir)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1750000000", "GOFLAGS=")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		for name := range manualPages(t) {
			text, err := os.ReadFile(filepath.Join(dir, "man", "man8", name))
			if err != nil {
				t.Fatal(err)
			}
			pages[name] = strings.Fields(strings.ReplaceAll(string(text), "/etc/sasldb2", "/etc/sasl2/sasldb2"))
			if tags != "man" && strings.Contains(string(text), "/etc/sasldb2") {
				t.Errorf("%s: another place", name)
			}
		}
		return pages
	}
	if diff := cmp.Diff(written("man"), written("man,fedora")); diff != "" {
		t.Errorf("-Debian's with the other path, +Fedora's:\n%s", diff)
	}
}

// TestManualIsWritten: the program behind the tag writes the pages, dated as the sources,
// and the scripts of the shells.
func TestManualIsWritten(t *testing.T) {
	t.Parallel()
	goTool := peers.Need(t, "go", "golang-go")
	dir, tags := t.TempDir(), "man"
	if defaultDB == "/etc/sasl2/sasldb2" {
		tags += ",fedora" // as this test was built
	}
	write := func(epoch string) error {
		cmd := exec.CommandContext(t.Context(), goTool, "run", "-tags", tags, ".", dir)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+epoch, "GOFLAGS=")
		cmd.Stderr = os.Stderr
		return cmd.Run()
	}
	if err := write("1750000000"); err != nil {
		t.Fatal(err)
	}
	for name, text := range manualPages(t) {
		got, err := os.ReadFile(filepath.Join(dir, "man", "man8", name))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(text, string(got)); diff != "" {
			t.Errorf("%s, -want +got:\n%s", name, diff)
		}
	}
	for shell, path := range map[string]string{"bash": "bash-completion/completions/saslkit", "zsh": "zsh/vendor-completions/_saslkit", "fish": "fish/vendor_completions.d/saslkit.fish"} {
		got, err := os.ReadFile(filepath.Join(dir, path))
		if want := runCommand(t, "", "completion", shell).out; err != nil || string(got) != want {
			t.Errorf("%s: %v, %d bytes, want %d", shell, err, len(got), len(want))
		}
	}
}
