package cyrusconf

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/internal/peers"
)

// inFolder writes files and returns their folder.
func inFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	first := inFolder(t, map[string]string{"smtpd.conf": "a: first\n", "bad.conf": "a\n"})
	second := inFolder(t, map[string]string{"smtpd.conf": "a: second\n", "imapd.conf": "a: imap\n", "folder.conf": "a: file\n", "here.conf": "a: here\n"})
	elsewhere := inFolder(t, map[string]string{"none.conf": "a: working folder\n"})
	t.Chdir(elsewhere) // where an empty folder in the list does not lead
	if err := os.Mkdir(filepath.Join(first, "folder.conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	list := strings.Join([]string{"", "", first, "", second, "/nonexistent", ""}, string(filepath.ListSeparator))
	p := ParseSearchPath(list)
	if diff := cmp.Diff(SearchPath{first, second, "/nonexistent"}, p); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for app, want := range map[string]string{"smtpd": "first", "imapd": "imap", "folder": "file"} {
		f, err := p.Load(app)
		if err != nil {
			t.Errorf("%q: %v", app, err)
			continue
		}
		if value, _ := f.Value("a"); value != want || f.Mode.Perm()&0o600 != 0o600 {
			t.Errorf("%q: %s says %q, want %q; mode %v", app, f.Name, value, want, f.Mode)
		}
	}
	if path, err := p.Find("smtpd"); err != nil || path != filepath.Join(first, "smtpd.conf") {
		t.Errorf("Find: %q, %v", path, err)
	}
	var faults Faults
	if _, err := p.Load("bad"); !errors.As(err, &faults) || faults[0].Name != filepath.Join(first, "bad.conf") || faults[0].Line != 1 {
		t.Errorf("a file with a fault: %v", err)
	}
	for _, app := range []string{"", "../smtpd", "a/b", "smtpd\x00"} {
		var missing *NotFoundError
		if path, err := p.Find(app); path != "" || err == nil || errors.As(err, &missing) || !strings.Contains(err.Error(), "no name of an application") {
			t.Errorf("%q: %q, %v", app, path, err)
		}
	}
}

func TestFindSaysWhere(t *testing.T) {
	t.Parallel()
	dir := inFolder(t, nil)
	if err := os.Mkdir(filepath.Join(dir, "smtpd.conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path SearchPath
		want string
	}{
		{SearchPath{"/nonexistent/a", "/nonexistent/b"}, "cyrusconf: smtpd.conf: not found as /nonexistent/a/smtpd.conf, /nonexistent/b/smtpd.conf (make the file in one of these places, or name it by its path)"},
		{SearchPath{dir}, "cyrusconf: smtpd.conf: not found as " + dir + "/smtpd.conf (not a regular file) (make the file in one of these places, or name it by its path)"},
		{nil, "cyrusconf: smtpd.conf: no folder to search (name one, or the file)"},
	} {
		f, err := c.path.Load("smtpd")
		var missing *NotFoundError
		if f != nil || !errors.As(err, &missing) || !errors.Is(err, fs.ErrNotExist) || len(missing.Places) != len(c.path) {
			t.Errorf("%v, %v", f, err)
			continue
		}
		if diff := cmp.Diff(filepath.FromSlash(c.want), err.Error()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	if _, err := LoadFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if f, err := LoadFile(filepath.Join(dir, "smtpd.conf")); f != nil || err == nil {
		t.Errorf("a folder: %v, %v", f, err)
	}
}

// A file that may not be read is passed over, and told of if there is no other.
func TestFindWithoutRights(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 && runtime.GOOS != "linux" {
		peers.Missing(t, "a user other than root, for a file that may not be read")
	}
	dir, other := inFolder(t, map[string]string{"smtpd.conf": "a: x\n"}), inFolder(t, map[string]string{"smtpd.conf": "a: x\n"})
	for name, mode := range map[string]os.FileMode{
		filepath.Join(dir, "smtpd.conf"): 0, filepath.Join(other, "smtpd.conf"): 0o644,
		dir: 0o755, other: 0o755, filepath.Dir(dir): 0o755,
	} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	nobody.Do(func() {
		if _, err := (SearchPath{dir}).Find("smtpd"); err == nil || !strings.Contains(err.Error(), "(permission denied)") {
			t.Error(err)
		}
		if path, err := (SearchPath{dir, other}).Find("smtpd"); err != nil || filepath.Dir(path) != other {
			t.Error(path, err)
		}
	})
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	if got := libraryPath("linux"); got[0] != "/etc/sasl2" || got[1] != "/etc/sasl" || got[len(got)-1] != "/usr/local/lib/sasl2" {
		t.Errorf("Linux: %q", got)
	}
	if diff := cmp.Diff(SearchPath{"/usr/local/lib/sasl2"}, libraryPath("freebsd")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(SearchPath{filepath.FromSlash("/etc/postfix/sasl"), "/usr/lib/sasl"}, DebianPostfixPath("/etc/postfix")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for goos, want := range map[string]string{"freebsd": "/usr/local/etc/sasldb2", "linux": linuxSasldb} {
		if got := defaultSasldb(goos); got != want {
			t.Errorf("%s: %s", goos, got)
		}
	}
	app, _ := new(File).Application()
	if app.SasldbPath != DefaultSasldb() {
		t.Errorf("without sasldb_path: %s", app.SasldbPath)
	}
}

// What Debian's libsasl2 has compiled in, in this order.
func TestLibrarySearches(t *testing.T) {
	t.Parallel()
	found, _ := filepath.Glob("/usr/lib/*/libsasl2.so.2")
	if len(found) == 0 {
		peers.Missing(t, "libsasl2.so.2 (Debian package libsasl2-2)")
	}
	library, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var built SearchPath
	for part := range bytes.SplitSeq(library, []byte{0}) {
		if bytes.HasPrefix(part, []byte("/etc/sasl2:")) {
			built = ParseSearchPath(string(part))
		}
	}
	if built == nil {
		peers.Missing(t, "Debian's build of libsasl2.so.2 (Debian package libsasl2-2)")
	}
	next := 0
	for _, dir := range LibraryPath() {
		if next < len(built) && dir == built[next] {
			next++
		}
	}
	if next < len(built) {
		t.Errorf("the library searches %q, we %q", built, LibraryPath())
	}
}

// What Debian's Postfix has compiled in, to go behind the folder of main.cf.
func TestDebianPostfixSearches(t *testing.T) {
	t.Parallel()
	const smtpd = "/usr/lib/postfix/sbin/smtpd"
	program, err := os.ReadFile(smtpd)
	if err != nil {
		peers.Missing(t, smtpd+" (Debian package postfix)")
	}
	if !bytes.Contains(program, []byte("\x00sasl:/usr/lib/sasl\x00")) {
		t.Error("smtpd searches other places")
	}
}
