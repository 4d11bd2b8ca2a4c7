//go:build linux

package guides

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A machine waits for its services most of the time: some run at once.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "3")
	flag.Parse()
	code := m.Run()
	os.RemoveAll(building.dir)
	os.Exit(code)
}

var (
	script   = flag.String("script", "", "run this shell `script` in a machine and show what it prints")
	packages = flag.String("packages", "", "the Debian `packages` of that machine")
	patience = flag.Duration("patience", time.Minute, "how `long` a log is waited for")
	built    = flag.String("built", "", "a `folder` with what packaging/build has made, instead of making it")
)

// TestScript is for whoever writes a guide and wants to look around in a machine.
func TestScript(t *testing.T) {
	t.Parallel()
	if *script == "" {
		t.Skip("no -script")
	}
	text, err := os.ReadFile(*script)
	if err != nil {
		t.Fatal(err)
	}
	out, err := boot(t, strings.Fields(*packages), nil).Run(t.Context(), string(text))
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// TestBoots tells whether machines boot here at all.
func TestBoots(t *testing.T) {
	t.Parallel()
	m := Start(t, Hardware{})
	const script = "test $$ -gt 1; test $(ps -o comm= -p 1) = systemd; ! ping -c 1 192.0.2.1 2>/dev/null; hostname"
	if out, err := m.Run(t.Context(), script); err != nil || out != "mail.example.com\n" {
		t.Errorf("%v: %q", err, out)
	}
	if out, err := m.Run(t.Context(), "echo said; false; echo more"); err == nil || out != "said\n" {
		t.Errorf("a command that fails: %v: %q", err, out)
	}
	if out, err := m.Run(t.Context(), "touch /root/kept /run/lost"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := reboot(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if out, err := m.Run(t.Context(), "test -e /root/kept -a ! -e /run/lost; "+script); err != nil || out != "mail.example.com\n" {
		t.Errorf("booted anew: %v: %q", err, out)
	}
}

// someVariable is the environment variable that holds a test of all packages to some
// guides, by a regular expression: all of them take five minutes.
const someVariable = "SASLKIT_GUIDES_PAGES"

// TestGuides does what the guides say.
func TestGuides(t *testing.T) {
	t.Parallel()
	some, err := regexp.Compile(os.Getenv(someVariable))
	if err != nil {
		t.Fatalf("%s: %v", someVariable, err)
	}
	pages, err := filepath.Glob("../../docs/guides/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no guides: %v", err)
	}
	for _, name := range pages {
		if filepath.Base(name) == "README.md" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		title := strings.TrimSuffix(filepath.Base(name), ".md")
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if !some.MatchString(title) {
				t.Skipf("not among those of %s=%s", someVariable, some)
			}
			page, err := Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			follow(t, page)
		})
	}
}

// boot starts a machine with these packages and ours in /root, in a network of its own or
// in another machine's.
func boot(t *testing.T, packages []string, beside *Machine) *Machine {
	t.Helper()
	Need(t)
	h := Hardware{Root: packaged(t), Beside: beside}
	rest, setup := furnish(t, &h, packages)
	m := Start(t, h, rest...)
	if out, err := m.Run(t.Context(), setup); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return m
}

// building is our packages, made once.
var building struct {
	sync.Once
	dir string
	out []byte
	err error
}

// packaged returns a folder with our packages.
func packaged(t *testing.T) string {
	t.Helper()
	if *built != "" {
		return *built
	}
	building.Do(func() {
		if building.dir, building.err = os.MkdirTemp("", "saslkit-packages-"); building.err == nil {
			building.out, building.err = exec.Command("../../packaging/build", building.dir).CombinedOutput()
		}
	})
	if building.err != nil {
		t.Fatalf("packaging/build: %v\n%s", building.err, building.out)
	}
	return building.dir
}

// follow does what a page says.
func follow(t *testing.T, page *Page) {
	t.Helper()
	ctx := t.Context()
	var machines []*Machine
	for _, s := range page.Machines {
		var beside *Machine
		if machines != nil {
			beside = machines[0]
		}
		m := boot(t, s.Packages, beside)
		if out, err := m.Run(ctx, s.Setup); err != nil {
			t.Fatalf("setup: %v\n%s", err, out)
		}
		machines = append(machines, m)
	}
	var printed, cursor string
	for _, s := range page.Steps {
		var err error
		m := machines[s.On]
		switch s.Kind {
		case Run:
			if cursor, err = m.Cursor(ctx); err != nil {
				t.Fatal(err)
			}
			if printed, err = m.Run(ctx, s.Text); err != nil {
				journal, _ := m.Journal(ctx, cursor)
				t.Fatalf("line %d: %v\n%s\n%s\njournal:\n%s", s.Line, err, s.Text, printed, journal)
			}
		case Output:
			if line := Missing(printed, s.Text); line != "" {
				t.Fatalf("line %d: not printed: %q\n%s", s.Line, line, printed)
			}
		case Log:
			if line, journal := await(t, m, cursor, func(journal string) string { return Unlogged(journal, s.Text) }); line != "" {
				t.Fatalf("line %d: not logged: %q\n%s", s.Line, line, journal)
			}
		case Trouble:
			provoke(t, m, s)
		case Reboot:
			err = reboot(ctx, m)
		case Write:
			err = m.Write(ctx, s.File, s.Text)
		case Add:
			err = m.Add(ctx, s.File, s.Text)
		}
		if err != nil {
			t.Fatalf("line %d: %v", s.Line, err)
		}
	}
}

// provoke does what a row's comment says, sees the row's messages, and what cures. A row
// that is wrong is told, and the next is looked at.
func provoke(t *testing.T, m *Machine, s Step) {
	t.Helper()
	cursor, err := m.Cursor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	broken, err := m.Run(t.Context(), s.Text)
	if err != nil {
		t.Errorf("line %d: %v\n%s", s.Line, err, broken)
	} else if missing, journal := await(t, m, cursor, func(journal string) string { return s.Row.Unsaid(broken + journal) }); missing != "" {
		t.Errorf("line %d: neither printed nor logged: %q\n%s\njournal:\n%s", s.Line, missing, broken, journal)
	}
	if cured, err := m.Run(t.Context(), s.Row.Cure); err != nil {
		journal, _ := m.Journal(t.Context(), cursor)
		t.Fatalf("line %d: not cured: %v\n%s\njournal:\n%s", s.Line, err, cured, journal)
	}
}

// reboot gives a machine the time that Start gives it.
func reboot(ctx context.Context, m *Machine) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return m.Reboot(ctx)
}

// await waits for what is missing in the journal since then, which it returns, and the
// journal.
func await(t *testing.T, m *Machine, cursor string, missing func(journal string) string) (line, journal string) {
	t.Helper()
	for deadline := time.Now().Add(*patience); ; time.Sleep(200 * time.Millisecond) {
		journal, err := m.Journal(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		if line := missing(journal); line == "" || time.Now().After(deadline) {
			return line, journal
		}
	}
}
