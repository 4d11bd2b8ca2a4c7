//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
)

// mostExposed bounds what systemd-analyze security says of the service, of 10. What is
// left is that it talks to networks and that systemd cannot know that root is not needed
// to read what it reads.
const mostExposed = 1.5

// The units say nothing that systemd, from version 252 on, does not understand, and the
// service may do little.
func testUnits(t *testing.T, p *builtPackages) {
	analyze := peers.Need(t, "systemd-analyze", "systemd")
	service, err := os.ReadFile(filepath.Join(p.unpacked, "usr/lib/systemd/system/saslkit.service"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	shell(t, dir, `cp "$1"/usr/lib/systemd/system/*.socket .`, p.unpacked)
	binary := filepath.Join(p.unpacked, "usr/bin/saslkit") // it is not installed here
	writeFile(t, filepath.Join(dir, "saslkit.service"), []byte(strings.Replace(string(service), "ExecStart=/usr/bin/saslkit", "ExecStart="+binary, 1)))
	if out := shell(t, dir, `"$1" verify --man=no ./saslkit.service ./*.socket 2>&1 | grep -i saslkit || true`, analyze); out != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
	out := shell(t, dir, `"$1" security --offline=true --no-pager ./saslkit.service`, analyze)
	m := regexp.MustCompile(`Overall exposure level for saslkit.service: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("systemd-analyze security:\n%s", out)
	}
	if score, err := strconv.ParseFloat(m[1], 64); err != nil || score > mostExposed {
		t.Errorf("exposure %s, want at most %v\n%s", m[1], mostExposed, out)
	}
}
