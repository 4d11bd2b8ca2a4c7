//go:build linux

package guides

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
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
	out, err := boot(t, strings.Fields(*packages)).Run(t.Context(), string(text))
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// TestGuides does what the guides say.
func TestGuides(t *testing.T) {
	t.Parallel()
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
		t.Run(strings.TrimSuffix(filepath.Base(name), ".md"), func(t *testing.T) {
			t.Parallel()
			page, err := Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			follow(t, page, boot(t, page.Packages))
		})
	}
}

// boot starts a machine with these packages and ours in /root.
func boot(t *testing.T, packages []string) *Machine {
	t.Helper()
	dir := os.Getenv(Variable)
	if dir == "" {
		peers.Missing(t, Variable+", the folder for the file systems of machines")
	}
	peers.Root(t, "machines")
	peers.Need(t, "debootstrap", "debootstrap")
	peers.Need(t, "systemd-nspawn", "systemd-container")
	layers, err := Roots{dir}.Layers(t.Context(), packages)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	m, err := Boot(ctx, t.TempDir(), layers, packaged(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
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
func follow(t *testing.T, page *Page, m *Machine) {
	t.Helper()
	ctx := t.Context()
	if out, err := m.Run(ctx, page.Setup); err != nil {
		t.Fatalf("setup: %v\n%s", err, out)
	}
	var printed, cursor string
	for _, s := range page.Steps {
		var err error
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
			logged(t, m, cursor, s)
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

// logged waits until the journal has what a block says.
func logged(t *testing.T, m *Machine, cursor string, s Step) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		journal, err := m.Journal(t.Context(), cursor)
		if err != nil {
			t.Fatalf("line %d: %v", s.Line, err)
		}
		line := Missing(journal, s.Text)
		if line == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("line %d: not logged: %q\n%s", s.Line, line, journal)
		}
	}
}
