//go:build unix

package sasldb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/nobody"
)

func init() { children["masked"] = masked }

// masked is the child operate under a umask.
func masked(args []string) {
	mask, err := strconv.ParseUint(args[0], 8, 16)
	if err != nil {
		fail("masked: %v", err)
	}
	syscall.Umask(int(mask))
	operate(args[1:])
}

// childReports runs a child that reports.
func childReports(t *testing.T, name string, args ...string) report {
	t.Helper()
	out, err := childCommand(t, name, args...).Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return parseReport(t, out)
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// TestUmask: the mode of a file does not depend on it.
func TestUmask(t *testing.T) {
	t.Parallel()
	for _, mask := range []string{"000", "022", "077", "777"} {
		for operation, want := range map[string]fs.FileMode{"create": 0o600, "create 0640": 0o640, "grow": 0o644} {
			path := filepath.Join(t.TempDir(), "sasldb2")
			if operation == "grow" {
				path = newFile(t, fullTable()...)
				if err := os.Chmod(path, want); err != nil {
					t.Fatal(err)
				}
			}
			if r := childReports(t, "masked", mask, operation, path); r.Failed != "" {
				t.Errorf("%s under umask %s: %s", operation, mask, r.Failed)
			} else if mode := modeOf(t, path); mode != want {
				t.Errorf("%s under umask %s: mode %v, want %v", operation, mask, mode, want)
			}
		}
	}
}

// TestSymbolicLinks: what is changed is the file that a path leads to, and the
// links stay, as in the copy of /etc that Postfix has in its chroot.
func TestSymbolicLinks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	real := filepath.Join(root, "etc", "sasldb2")
	chroot := filepath.Join(root, "var", "spool", "postfix", "etc")
	for _, folder := range []string{filepath.Dir(real), chroot} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mustEdit(t, real, WriteOptions{Create: true}, addNewcomer)
	leadsTo := map[string]string{
		filepath.Join(chroot, "relative"):                   "../../../../etc/sasldb2",
		filepath.Join(chroot, "absolute"):                   real,
		filepath.Join(chroot, "twice"):                      "relative",
		filepath.Join(root, "folder"):                       "etc",
		filepath.Join(chroot, "nothing"):                    "nowhere",
		filepath.Join(root, "var", "spool", "postfix", "l"): "etc/relative",
	}
	for link, to := range leadsTo {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for link := range leadsTo {
		path := link
		switch filepath.Base(link) {
		case "folder":
			path = filepath.Join(link, "sasldb2")
		case "nothing":
			continue
		}
		n++
		name := fmt.Sprintf("user%d", n)
		mustEdit(t, path, WriteOptions{}, func(tx *Tx) error { return tx.Set(user(name, "r", "pw")) })
		if len(contentOf(t, real).values) != 1+n {
			t.Errorf("%s: the file behind it is not changed", path)
		}
	}
	if err := Edit(t.Context(), filepath.Join(chroot, "nothing"), WriteOptions{Create: true}, addNewcomer); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("through a link to nothing: %v", err)
	}
	for link, to := range leadsTo {
		if now, err := os.Readlink(link); err != nil || now != to {
			t.Errorf("%s leads to %q, %v, want %q", link, now, err, to)
		}
	}
	if left := leftBeside(t, real); left != nil {
		t.Errorf("left beside the file: %q", left)
	}
	if left := leftBeside(t, filepath.Join(chroot, "relative")); len(left) != 3 {
		t.Errorf("left beside a link: %q", left)
	}
}

// TestCreatedMeanwhile: a file that another program makes while we decide what ours
// is to hold is not overwritten, and both changes are in it.
func TestCreatedMeanwhile(t *testing.T) {
	t.Parallel()
	path, calls := filepath.Join(t.TempDir(), "sasldb2"), 0
	mustEdit(t, path, WriteOptions{Create: true}, func(tx *Tx) error {
		if calls++; calls == 1 {
			if err := os.Rename(newFile(t, user("al", "r", "pw")), path); err != nil {
				t.Error(err)
			}
		}
		return addNewcomer(tx)
	})
	if values := contentOf(t, path).values; calls != 2 || len(values) != 2 {
		t.Errorf("decided %d times, %d users", calls, len(values))
	}
	if left := leftBeside(t, path); left != nil {
		t.Errorf("left in the folder: %q", left)
	}
}

// TestLinkNew is the way to do that without a system call for it.
func TestLinkNew(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	target, err := resolve(path)
	if err != nil {
		t.Fatal(err)
	}
	defer target.dir.Close()
	if err := os.WriteFile(path+".temporary", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := target.linkNew("sasldb2.temporary", "sasldb2"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if err := target.linkNew("sasldb2.temporary", "new"); err != nil {
		t.Error(err)
	}
	if left := leftBeside(t, path); len(left) != 1 || left[0] != "new" {
		t.Errorf("left in the folder: %q", left)
	}
}

// refuses checks that a file cannot be changed, for a reason that the text tells,
// and that nothing has happened.
func refuses(t *testing.T, path string, before content, beside int, r report, reason string) {
	t.Helper()
	if !r.is("ErrNotWritable") || !strings.Contains(r.Failed, reason) {
		t.Errorf("%q (%v) does not say %q", r.Failed, r.Is, reason)
	}
	if now := contentOf(t, path); !now.equal(before) {
		t.Error(before.difference(now))
	}
	if left := leftBeside(t, path); len(left) != beside {
		t.Errorf("left in the folder: %q", left)
	}
}

func TestHardLinks(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "pw"))
	if err := os.Link(path, path+".copy"); err != nil {
		t.Fatal(err)
	}
	before := contentOf(t, path)
	refuses(t, path, before, 1, newReport(Edit(t.Context(), path, WriteOptions{}, addNewcomer), 0), "2 hard links")
	refuses(t, path, before, 1, newReport(CheckWritable(t.Context(), path), 0), "2 hard links")
	// One that is made while we decide.
	path = newFile(t, user("al", "r", "pw"))
	err := Edit(t.Context(), path, WriteOptions{}, func(tx *Tx) error {
		if err := os.Link(path, path+".copy"); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
		return addNewcomer(tx)
	})
	refuses(t, path, before, 1, newReport(err, 0), "2 hard links")
}

// TestFolder: whoever may write to the file but not to its folder cannot change it
// safely.
func TestFolder(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "pw"))
	folder := filepath.Dir(path)
	err := errors.Join(os.Chmod(path, 0o666), os.Chmod(filepath.Dir(folder), 0o711), os.Chmod(folder, 0o555))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(folder, 0o755) })
	before := contentOf(t, path)
	var changed, checked error
	nobody.Do(func() {
		changed = Edit(t.Context(), path, WriteOptions{}, addNewcomer)
		checked = CheckWritable(t.Context(), path)
	})
	for _, err := range []error{changed, checked} {
		refuses(t, path, before, 0, newReport(err, 0), "keep the database in a folder of its own")
	}
}

// TestForeignLockFile: a lock file that was there is used as it is. It might be
// another name of a file that is not to be given to the owner of the database.
func TestForeignLockFile(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "one"))
	if err := os.Chmod(path, 0o660); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(precious, path+".lock"); err != nil {
		t.Skip("missing: hard links: ", err)
	}
	mustEdit(t, path, WriteOptions{}, func(tx *Tx) error { return tx.Set(user("bo", "r", "two")) })
	if info, err := os.Stat(precious); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if content, err := os.ReadFile(precious); err != nil || string(content) != "x" {
		t.Errorf("content %q, %v", content, err)
	}
	leftOnly(t, filepath.Dir(path), "sasldb2")
}
