//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/peers"
)

// rpmChanges are what differs between the files of the deb and those of the rpm: names of
// Fedora's.
var rpmChanges = strings.NewReplacer("./etc/default/", "./etc/sysconfig/")

// The rpm holds the same files with Fedora's names, and installs them with these modes.
func testRPM(t *testing.T, p *builtPackages) {
	rpm := peers.Need(t, "rpm", "rpm")
	peers.Root(t, "rpm --root")
	root := t.TempDir()
	shell(t, root, `"$1" --root "$PWD" --dbpath /db --initdb
"$1" --root "$PWD" --dbpath /db -i --nodeps --noscripts --ignoreos --ignorearch "$2"`, rpm, p.rpm)
	var want []string
	for _, line := range packagedFiles {
		mode, rest, _ := strings.Cut(line, " root/root ")
		if !strings.Contains(rest, "/lintian/") {
			want = append(want, mode+" "+rpmChanges.Replace(rest))
		}
	}
	slices.SortFunc(want, func(a, b string) int { return strings.Compare(a[len("-rw-r--r-- "):], b[len("-rw-r--r-- "):]) })
	got := strings.Split(strings.TrimSpace(shell(t, root, `find ./etc ./usr \( -type f -printf '%M %p\n' -o -type l -printf '%M %p -> %l\n' \) |
  grep -vE ' ./usr/share/(doc|licenses|man|bash-completion|zsh|fish)/' | LC_ALL=C sort -k 2`)), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for _, dir := range []string{"lib/systemd/system", "lib/sysusers.d", "lib/tmpfiles.d"} {
		shell(t, root, `
sasl() { sed 's/^g sasl 45$/g saslauth 76/; s/\bsasl\b/saslauth/; s,/etc/default/,/etc/sysconfig/,' "$1"; }
for f in "$1/$2"/saslkit*; do
  sasl "$f" | diff - "usr/$2/${f##*/}"
done`, filepath.Join(p.unpacked, "usr"), dir)
	}

	// The command is another, for its database is elsewhere, and so is its bill.
	for binary, path := range map[string]string{p.unpacked: "/etc/sasldb2", root: "/etc/sasl2/sasldb2"} {
		out := shell(t, binary, `usr/bin/saslkit users --help; zcat usr/share/man/man8/saslkit-saslpasswd2.8.gz; cat etc/*/saslkit`)
		if n := strings.Count(out, path); n < 5 || n != strings.Count(out, "/sasldb2") {
			t.Errorf("%s is there %d times:\n%s", path, n, out)
		}
	}
	if out := shell(t, root, "go version -m usr/bin/saslkit"); !strings.Contains(out, "-tags=pam,fedora\n") {
		t.Errorf("the tags of the rpm's binary:\n%s", out)
	}
	shell(t, root, `cmp "$1" usr/share/doc/saslkit/sbom.cdx.json
grep -q "$(sha256sum < usr/bin/saslkit | cut -d ' ' -f 1)" "$1"`, p.rpmSBOM)

	bits := ""
	if strings.Contains(filepath.Base(p.rpm), "64.rpm") {
		bits = "(64bit)"
	}
	requires := strings.Fields(shell(t, root, `"$1" -qp --requires "$2" | LC_ALL=C sort`, rpm, p.rpm))
	if diff := cmp.Diff([]string{"libc.so.6(GLIBC_" + newestSymbol(t, p, "GLIBC_") + ")" + bits, "libpam.so.0(LIBPAM_1.0)" + bits, "systemd"}, requires); diff != "" {
		t.Errorf("requires (-want +got):\n%s", diff)
	}
	scripts := shell(t, root, `"$1" -qp --scripts "$2"`, rpm, p.rpm)
	for _, name := range []string{"post", "preun", "postun"} {
		text, err := os.ReadFile("../packaging/rpm/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(scripts, strings.TrimSpace(string(text))) {
			t.Errorf("%s is not among the scripts:\n%s", name, scripts)
		}
	}
	if got := shell(t, root, `"$1" -qpc "$2"`, rpm, p.rpm); got != "/etc/fail2ban/filter.d/saslkit.conf\n/etc/sysconfig/saslkit\n" {
		t.Errorf("configuration files: %q", got)
	}
}
