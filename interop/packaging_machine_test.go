//go:build linux

package interop

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/interop/guides"
)

// packagingMachine boots a Debian with sasl2-bin, and our deb in /root. The debs of what is
// installed are still in /var/cache/apt/archives.
func packagingMachine(t *testing.T, p *builtPackages) *guides.Machine {
	t.Helper()
	return guides.Start(t, guides.Hardware{Root: filepath.Dir(p.deb)}, "sasl2-bin")
}

// A step is what root does on a machine, and what is to be seen afterwards.
type packagingStep struct{ name, script, want string }

// do takes the steps in their order. What is printed has to be what is wanted.
func do(t *testing.T, m *guides.Machine, steps []packagingStep) {
	t.Helper()
	for _, s := range steps {
		out, err := m.Run(t.Context(), s.script)
		if err != nil || strings.TrimSpace(out) != strings.TrimSpace(s.want) {
			journal, _ := m.Run(t.Context(), "journalctl --no-pager -n 30 -u 'saslkit*'")
			t.Fatalf("%s: %v\n%s\nprinted:\n%s\nwant:\n%s\njournal:\n%s", s.name, err, s.script, out, s.want, journal)
		}
	}
}

// The old names are those of sasl2-bin while it is there, and ours when it is not,
// whichever came or goes first.
func testAlternatives(t *testing.T, p *builtPackages) {
	m := packagingMachine(t, p)
	const (
		theirs  = `dpkg -i /var/cache/apt/archives/sasl2-bin_*.deb >/dev/null 2>&1; `
		ours    = `dpkg -i /root/saslkit_*.deb >/dev/null 2>&1; `
		without = `dpkg --remove sasl2-bin >/dev/null 2>&1; `
		// whose prints whose programs are called by the names, and whose page tells of them.
		whose = `for name in saslauthd saslpasswd2 sasldblistusers2 testsaslauthd; do
  for file in /usr/sbin/$name /usr/share/man/man8/$name.8.gz; do
    if [ ! -e $file ]; then echo none; elif [ -L $file ]; then readlink -f $file; else dpkg -S $file; fi
  done
done | sed 's/:.*//; s,.*/usr/bin/saslkit$,saslkit,; s,.*man8/saslkit-[a-z0-9]*\.8\.gz$,saslkit,' | sort | uniq -c | sed 's/^ *//'
update-alternatives --get-selections | grep -c 'sasl.*auto.*/usr/lib/saslkit/' || true`
	)
	do(t, m, []packagingStep{
		{"theirs alone", whose, "8 sasl2-bin\n0"},
		{"ours after theirs", ours + whose, "8 sasl2-bin\n4"},
		{"theirs go", without + whose, "8 saslkit\n4"},
		{"ours by the old name", `echo secret | saslpasswd2 -p -c -u example.com alice; sasldblistusers2 | grep userPassword`, "alice@example.com: userPassword"},
		{"theirs come back", theirs + whose, "8 sasl2-bin\n4"},
		{"ours are upgraded", ours + whose, "8 sasl2-bin\n4"},
		{"ours go", `dpkg --remove saslkit >/dev/null 2>&1; ` + whose, "8 sasl2-bin\n0"},
		{"ours come back, theirs are purged", ours + `dpkg --purge sasl2-bin >/dev/null 2>&1; ` + whose, "8 saslkit\n4"},
		{"another alternative is chosen", `ln -s /bin/true /usr/local/sbin/theirs
update-alternatives --quiet --install /usr/sbin/saslpasswd2 saslpasswd2 /usr/local/sbin/theirs 20
readlink /etc/alternatives/saslpasswd2`, "/usr/local/sbin/theirs"},
		{"and stays", ours + `readlink /etc/alternatives/saslpasswd2
update-alternatives --quiet --remove saslpasswd2 /usr/local/sbin/theirs; rm /usr/local/sbin/theirs`, "/usr/local/sbin/theirs"},
		{"ours go last", `dpkg --purge saslkit >/dev/null 2>&1; ` + whose, "8 none\n0"},
	})
}
