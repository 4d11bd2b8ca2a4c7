//go:build linux

package interop

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/peers"
)

// The builtPackages are what packaging/build made.
type builtPackages struct {
	dir           string
	deb, rpm      string // files in it
	sbom, rpmSBOM string
	unpacked      string // the deb's files in a folder of their own
}

// TestPackaging builds the packages of this tree, looks into them, and installs the deb on
// machines.
func TestPackaging(t *testing.T) {
	t.Parallel()
	needBuild(t)
	p := buildTwice(t)
	for name, test := range map[string]func(*testing.T, *builtPackages){
		"SHA256SUMS": testSums, "deb": testDeb, "lintian": testLintian, "units": testUnits,
		"rpm": testRPM, "bill": testBill, "copyright": testCopyright,
		"old names": testAlternatives, "life": testLife, "rights": testRights, "docs/packages.md": testPage,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

// needBuild ends the test for want of what packaging/build runs.
func needBuild(t *testing.T) {
	t.Helper()
	for command, pkg := range map[string]string{
		"go": "golang-go", "gcc": "gcc", "objdump": "binutils", "git": "git", "dpkg-deb": "dpkg", "bash": "bash",
	} {
		peers.Need(t, command, pkg)
	}
	if _, err := os.Stat("/usr/include/security/pam_appl.h"); err != nil {
		peers.Missing(t, "security/pam_appl.h (Debian package libpam0g-dev)")
	}
	if exec.Command("git", "rev-parse", "--git-dir").Run() != nil {
		peers.Missing(t, "a clone of git")
	}
	script, err := os.ReadFile("../packaging/build")
	if err != nil {
		t.Fatal(err)
	}
	nfpm := regexp.MustCompile(`(?m)^nfpm=(\S+)$`).FindSubmatch(script)[1]
	run := exec.Command("go", "run", string(nfpm), "--version")
	run.Env = buildEnv()
	if out, err := run.CombinedOutput(); err != nil {
		peers.Missing(t, "nfpm, a Go module: "+string(out))
	}
}

// buildEnv is ours without what would have the packages made for another system.
func buildEnv(and ...string) []string {
	return append(slices.DeleteFunc(os.Environ(), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return slices.Contains([]string{"GOOS", "GOARCH", "CGO_ENABLED", "SOURCE_DATE_EPOCH", "GOFLAGS"}, name)
	}), and...)
}

// buildTwice builds the tree in two copies with paths of different length, as users with
// different habits would. All bytes are the same.
func buildTwice(t *testing.T) *builtPackages {
	t.Helper()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a"), filepath.Join(dir, "a longer path", "saslkit-1.0")
	shell(t, "..", `
mkdir -p "$1" "$(dirname "$2")"
git ls-files -co --exclude-standard -z | while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done |
  tar --null -T - -cf - | tar -xf - -C "$1"
cd "$1"
git init -q
git add -A
git -c user.name=test -c user.email=test@example.com commit -q -m test
git clone -q "$1" "$2"
chmod -R go-rwx "$2"`, first, second)
	outs := []string{filepath.Join(dir, "out"), filepath.Join(dir, "another", "out")}
	var both sync.WaitGroup
	for i, build := range []*exec.Cmd{
		exec.Command(filepath.Join(first, "packaging/build"), outs[0]),
		exec.Command("bash", "-c", `umask 077; cd "$0" && packaging/build "$1"`, second, outs[1]),
	} {
		build.Env = buildEnv()
		if i == 1 {
			build.Env = buildEnv("TZ=Asia/Kathmandu", "LC_ALL=C.UTF-8", "HOSTNAME=elsewhere", "USER=nobody", "GOMAXPROCS=1")
		}
		both.Go(func() {
			if out, err := build.CombinedOutput(); err != nil {
				t.Errorf("packaging/build: %v\n%s", err, out)
			}
		})
	}
	both.Wait()
	if t.Failed() {
		t.FailNow()
	}
	sums := fileSums(t, outs[0])
	if diff := cmp.Diff(sums, fileSums(t, outs[1])); diff != "" || len(sums) != 5 {
		t.Errorf("two builds, or not five files:\n%s\n%v", diff, sums)
	}
	p := &builtPackages{dir: outs[0], unpacked: filepath.Join(dir, "unpacked")}
	for pattern, file := range map[string]*string{"saslkit_*.deb": &p.deb, "saslkit-*.rpm": &p.rpm, "saslkit_*.cdx.json": &p.sbom, "saslkit-*.cdx.json": &p.rpmSBOM} {
		found, err := filepath.Glob(filepath.Join(p.dir, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %q, %v", pattern, found, err)
		}
		*file = found[0]
	}
	shell(t, "..", `dpkg-deb -x "$1" "$2"`, p.deb, p.unpacked)
	return p
}

// shell runs a shell script in a folder and returns what it printed.
func shell(t *testing.T, dir, text string, args ...string) string {
	t.Helper()
	cmd := exec.Command("bash", append([]string{"-euo", "pipefail", "-c", text, "bash"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, out)
	}
	return string(out)
}

// fileSums are the hashes of the files in a folder, by their names.
func fileSums(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	sums := make(map[string][sha256.Size]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		sums[d.Name()] = sha256.Sum256(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// The sums are those of the files beside them.
func testSums(t *testing.T, p *builtPackages) {
	out := shell(t, p.dir, "sha256sum --check --strict SHA256SUMS")
	for _, file := range []string{p.deb, p.rpm, p.sbom, p.rpmSBOM} {
		if !strings.Contains(out, filepath.Base(file)+": OK\n") {
			t.Errorf("%s is not among them:\n%s", filepath.Base(file), out)
		}
	}
}
