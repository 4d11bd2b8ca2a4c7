//go:build linux

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/interop/guides"
)

const packagesPage = "../docs/packages.md"

func readPackagesPage(t *testing.T) (string, *guides.Page) {
	t.Helper()
	text, err := os.ReadFile(packagesPage)
	if err != nil {
		t.Fatal(err)
	}
	page, err := guides.Parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", packagesPage, err)
	}
	return string(text), page
}

// What docs/packages.md says about an installed package is done on a machine.
func testPage(t *testing.T, p *builtPackages) {
	_, page := readPackagesPage(t)
	m := packagingMachine(t, p)
	if out, err := m.Run(t.Context(), page.Machines[0].Setup); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := ""
	for _, s := range page.Steps {
		var err error
		switch s.Kind {
		case guides.Run:
			printed, err = m.Run(t.Context(), s.Text)
		case guides.Output:
			if line := guides.Missing(printed, s.Text); line != "" {
				t.Errorf("line %d: not printed: %q\n%s", s.Line, line, printed)
			}
		case guides.Write:
			err = m.Write(t.Context(), s.File, s.Text)
		default:
			t.Errorf("line %d: nothing to do with this block", s.Line)
		}
		if err != nil {
			journal, _ := m.Run(t.Context(), "journalctl --no-pager -n 20")
			t.Fatalf("line %d: %v\n%s\n%s\n%s", s.Line, err, s.Text, printed, journal)
		}
	}
}

// The page names each folder that the package has something in, and the commands that
// TestPackaging runs.
func TestPackagingPage(t *testing.T) {
	t.Parallel()
	text, _ := readPackagesPage(t)
	for _, line := range packagedFiles {
		_, name, _ := strings.Cut(line, " ./")
		dir, file := filepath.Split("/" + strings.Fields(name)[0])
		if dir != "/usr/share/lintian/overrides/" && !strings.Contains(text, "`"+dir+file+"`") && !strings.Contains(text, "`"+strings.TrimSuffix(dir, "/")+"`") && !strings.Contains(text, "`"+file+"`") {
			t.Errorf("%s%s is not mentioned", dir, file)
		}
	}
	for _, command := range []string{"`packaging/build /tmp/packages`", "`sha256sum --check --strict SHA256SUMS`"} {
		if !strings.Contains(text, command) {
			t.Errorf("%s is not there", command)
		}
	}
}

// fail2ban takes the page's jail together with our filter.
func TestPackagingJail(t *testing.T) {
	t.Parallel()
	client := peers.Need(t, "fail2ban-client", "fail2ban")
	dir := filepath.Join(t.TempDir(), "fail2ban")
	_, page := readPackagesPage(t)
	jail := ""
	for _, s := range page.Steps {
		if s.Kind == guides.Write && s.File == "/etc/fail2ban/jail.d/saslkit.conf" {
			jail = s.Text
		}
	}
	if out, err := exec.Command("cp", "-r", "/etc/fail2ban", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	defaults, _ := filepath.Glob(filepath.Join(dir, "jail.d", "*"))
	for _, file := range defaults { // Debian's for sshd
		os.Remove(file)
	}
	writeFile(t, filepath.Join(dir, "jail.d", "saslkit.conf"), []byte(jail))
	shell(t, "..", `cp packaging/fail2ban/saslkit.conf "$1"/filter.d/`, dir)
	out := shell(t, dir, `"$1" -c "$2" -d`, client, dir)
	for _, want := range []string{`\['add', 'saslkit', 'systemd'\]`, `'addjournalmatch', '_SYSTEMD_UNIT=saslkit.service'`, `'addfailregex', '\^`, `\['start', 'saslkit'\]`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("not in the configuration: %s\n%s", want, out)
		}
	}
}
