package saslkit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
)

// TestContributorsCommands: the tests, flags, programs and packages that are named to
// contributors are there.
func TestContributorsCommands(t *testing.T) {
	t.Parallel()
	found := 0
	for _, name := range forContributors {
		page, err := pages.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.Blocks() {
			if b.Language != "sh" {
				continue
			}
			for line := range strings.Lines(strings.ReplaceAll(b.Text, "\\\n", " ")) {
				if strings.TrimSpace(line) == "" {
					continue
				}
				found++
				if err := commandFault(shellWords(line)); err != nil {
					t.Errorf("%s: %s: %v", name, strings.TrimSpace(line), err)
				}
			}
		}
	}
	if found < 25 {
		t.Errorf("only %d commands", found)
	}
}

// shellWords are those of a line of shell, without its comment.
func shellWords(line string) (all []string) {
	for _, w := range regexp.MustCompile(`'[^']*'|"[^"]*"|#.*|[^\s'"]+`).FindAllString(line, -1) {
		if !strings.HasPrefix(w, "#") {
			all = append(all, strings.Trim(w, `'"`))
		}
	}
	return all
}

// commandFault says what is not there of a command.
func commandFault(w []string) error {
	dir := "."
	if len(w) > 3 && w[0] == "cd" && w[2] == "&&" {
		dir, w = w[1], w[3:]
	}
	for len(w) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(w[0]) {
		w = w[1:]
	}
	switch {
	case len(w) > 2 && w[0] == "go" && w[1] == "test":
		return testFault(dir, w[2:])
	case len(w) > 2 && w[0] == "go" && (w[1] == "run" || w[1] == "install"):
		return holds(w[2], "*.go", `(?m)^package main$`)
	case len(w) > 2 && w[0] == "go" && w[1] == "generate":
		return holds(w[2], "*.go", `(?m)^//go:generate `)
	case len(w) > 2 && w[0] == "apt-get" && w[1] == "install":
		for _, p := range w[2:] {
			if p == "util-linux" || strings.HasPrefix(p, "-") { // every Debian has it
				continue
			}
			if err := holds(".ci", "run", `[ "\n]`+regexp.QuoteMeta(p)+`[ "\n]`); err != nil {
				return err
			}
		}
		return nil
	case len(w) > 0 && (w[0] == ".ci/run" || w[0] == "packaging/build"):
		_, err := os.Stat(w[0])
		return err
	}
	return errors.New("no test knows this command")
}

// holds reports whether a file of a folder has what matches.
func holds(dir, names, pattern string) error {
	files, err := filepath.Glob(filepath.Join(dir, names))
	if err != nil {
		return err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if regexp.MustCompile(pattern).Match(text) {
			return nil
		}
	}
	return fmt.Errorf("nothing matches %s in %s/%s", pattern, dir, names)
}

// ofGo are flags of go test, and whether a value follows.
var ofGo = map[string]bool{
	"-race": false, "-v": false, "-benchmem": false, "-shuffle=on": false,
	"-benchtime": true, "-fuzztime": true, "-fuzzminimizetime": true, "-timeout": true,
}

// testFault says which test or flag there is not.
func testFault(dir string, w []string) error {
	var folders []string
	flags := map[string]string{}
	for i := 0; i < len(w); i++ {
		value, isOfGo := ofGo[w[i]]
		switch {
		case isOfGo && !value:
		case strings.HasPrefix(w[i], "-") && i+1 < len(w) && !strings.HasPrefix(w[i+1], "-"):
			flags[strings.TrimPrefix(w[i], "-")] = w[i+1]
			i++
		case strings.HasPrefix(w[i], "-"):
			flags[strings.TrimPrefix(w[i], "-")] = ""
		case w[i] != "work":
			folders = append(folders, filepath.Join(dir, strings.TrimSuffix(w[i], "/...")))
		}
	}
	if folders == nil {
		folders = []string{dir}
	}
	for _, folder := range folders {
		if err := holds(folder, "*_test.go", `(?m)^func Test`); err != nil {
			return err
		}
		for flag, value := range flags {
			if err := flagFault(folder, flag, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func flagFault(folder, flag, value string) error {
	kind, selects := map[string]string{"run": "Test", "bench": "Benchmark", "fuzz": "Fuzz"}[flag]
	switch {
	case selects && (value == "^$" || value == "."):
		return nil
	case selects:
		for name := range strings.SplitSeq(value, "|") {
			name, _, _ = strings.Cut(name, "/")
			if err := holds(folder, "*_test.go", `(?m)^func `+kind+`\w*`+strings.TrimPrefix(name, kind)); err != nil {
				return err
			}
		}
		return nil
	case slices.Contains([]string{"benchtime", "fuzztime", "fuzzminimizetime", "timeout"}, flag):
		return nil
	}
	return holds(folder, "*_test.go", `flag\.\w+\((&\w+, )?"`+regexp.QuoteMeta(flag)+`"`)
}
