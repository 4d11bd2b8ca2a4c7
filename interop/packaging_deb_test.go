//go:build linux

package interop

import (
	"debug/elf"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/peers"
)

// packagedFiles are the deb's files but for the documentation: mode, owner, name.
var packagedFiles = []string{
	"-rw-r--r-- root/root ./etc/default/saslkit",
	"-rw-r--r-- root/root ./etc/fail2ban/filter.d/saslkit.conf",
	"-rwxr-xr-x root/root ./usr/bin/saslkit",
	"lrwxrwxrwx root/root ./usr/lib/saslkit/saslauthd -> ../../bin/saslkit",
	"lrwxrwxrwx root/root ./usr/lib/saslkit/sasldblistusers2 -> ../../bin/saslkit",
	"lrwxrwxrwx root/root ./usr/lib/saslkit/saslpasswd2 -> ../../bin/saslkit",
	"lrwxrwxrwx root/root ./usr/lib/saslkit/testsaslauthd -> ../../bin/saslkit",
	"-rw-r--r-- root/root ./usr/lib/systemd/system/saslkit-auth.socket",
	"-rw-r--r-- root/root ./usr/lib/systemd/system/saslkit-mux.socket",
	"-rw-r--r-- root/root ./usr/lib/systemd/system/saslkit-postfix.socket",
	"-rw-r--r-- root/root ./usr/lib/systemd/system/saslkit.service",
	"-rw-r--r-- root/root ./usr/lib/sysusers.d/saslkit.conf",
	"-rw-r--r-- root/root ./usr/lib/tmpfiles.d/saslkit.conf",
	"-rw-r--r-- root/root ./usr/share/lintian/overrides/saslkit",
}

// The deb holds these files, and asks for what the binary needs.
func testDeb(t *testing.T, p *builtPackages) {
	var files []string
	listing := regexp.MustCompile(`(?m)^(\S+) (\S+) +\d+ \S+ \S+ (.*)$`)
	for _, m := range listing.FindAllStringSubmatch(shell(t, p.dir, `dpkg-deb -c "$1"`, p.deb), -1) {
		mode, owner, name := m[1], m[2], m[3]
		if strings.HasPrefix(mode, "l") {
			mode = "lrwxrwxrwx" // a link's own mode means nothing
		}
		switch {
		case strings.HasPrefix(mode, "d"), strings.HasPrefix(name, "./usr/share/doc/"):
			if want := map[byte]string{'d': "drwxr-xr-x", '-': "-rw-r--r--"}[mode[0]]; mode != want || owner != "root/root" {
				t.Errorf("%s has %s %s", name, mode, owner)
			}
		case strings.HasPrefix(name, "./usr/share/man/"), strings.HasPrefix(name, "./usr/share/bash-completion/"),
			strings.HasPrefix(name, "./usr/share/zsh/"), strings.HasPrefix(name, "./usr/share/fish/"):
			if mode != "-rw-r--r--" {
				t.Errorf("%s has %s", name, mode)
			}
		default:
			files = append(files, mode+" "+owner+" "+name)
		}
	}
	if diff := cmp.Diff(packagedFiles, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for field, want := range map[string]string{
		"Package":    "saslkit",
		"Depends":    "libc6 (>= " + newestSymbol(t, p, "GLIBC_") + "), libpam0g (>= 0.99.7.1), systemd | systemd-standalone-sysusers | systemd-sysusers",
		"Maintainer": "The saslkit authors <saslkit@users.noreply.github.com>",
	} {
		if got := strings.TrimSpace(shell(t, p.dir, `dpkg-deb -f "$1" "$2"`, p.deb, field)); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	if got := shell(t, p.dir, `dpkg-deb --ctrl-tarfile "$1" | tar -xO ./conffiles`, p.deb); got != "/etc/default/saslkit\n/etc/fail2ban/filter.d/saslkit.conf\n" {
		t.Errorf("conffiles: %q", got)
	}
}

// newestSymbol is the greatest version of a library's symbols that the binary uses, which
// uses no other libraries than libc and libpam.
func newestSymbol(t *testing.T, p *builtPackages, prefix string) string {
	t.Helper()
	f, err := elf.Open(filepath.Join(p.unpacked, "usr/bin/saslkit"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if diff := cmp.Diff([]string{"libpam.so.0", "libc.so.6"}, libraries); diff != "" || err != nil {
		t.Errorf("libraries (-want +got): %v\n%s", err, diff)
	}
	if f.Type != elf.ET_DYN {
		t.Error("not position-independent")
	}
	symbols, err := f.DynamicVersionNeeds()
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, need := range symbols {
		for _, v := range need.Needs {
			if version, ok := strings.CutPrefix(v.Dep, prefix); ok {
				versions = append(versions, version)
			}
		}
	}
	return strings.TrimSpace(shell(t, p.dir, `printf '%s\n' "$@" | sort -V | tail -1`, versions...))
}

// lintian, of Debian 12, finds nothing but what is explained in packaging/deb.
func testLintian(t *testing.T, p *builtPackages) {
	lintian := peers.Need(t, "lintian", "lintian")
	if out := shell(t, p.dir, `"$1" --allow-root --fail-on error,warning "$2" || { s=$?; echo "$s"; }`, lintian, p.deb); out != "" {
		t.Errorf("lintian:\n%s", out)
	}
	overrides, err := os.ReadFile("../packaging/deb/lintian-overrides")
	if err != nil {
		t.Fatal(err)
	}
	before := "" // each is explained in a comment right above
	for line := range strings.Lines(string(overrides)) {
		if strings.HasPrefix(line, "saslkit: ") && !strings.HasPrefix(before, "# ") {
			t.Errorf("not explained: %s", line)
		}
		before = line
	}
}
