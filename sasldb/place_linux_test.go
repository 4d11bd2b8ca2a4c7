package sasldb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/saslkit/saslkit/internal/peers"
)

func init() {
	children["as"] = as
	children["mounted"] = mounted
}

// as is the child operate of another user, given as folder, user, group and
// operation. The database is sasldb2 in the folder, whose parents need not be open
// to that user.
func as(args []string) {
	uid, err := strconv.Atoi(args[1])
	gid, err2 := strconv.Atoi(args[2])
	err = errors.Join(err, err2, os.Chdir(args[0]), syscall.Setgroups(nil), syscall.Setgid(gid), syscall.Setuid(uid))
	if err != nil {
		fail("as: %v", err)
	}
	operate([]string{args[3], "sasldb2"})
}

// someUser and someGroup are of nobody in particular.
const (
	someUser  = 12345
	someGroup = 54321
)

// TestOtherUsers: who may do what with whose files, and whose they are then.
func TestOtherUsers(t *testing.T) {
	t.Parallel()
	peers.Root(t, "files of others")
	for _, test := range []struct {
		name               string
		folderUser, folder int // and mode
		fileUser, file     int
		uid, gid           int
		refusal            string
	}{
		{"the owner", someUser, 0o700, someUser, 0o600, someUser, someGroup, ""},
		{"the owner, of another group", someUser, 0o700, someUser, 0o640, someUser, someGroup + 1, "owner and rights of the old"},
		{"root", someUser, 0o700, someUser, 0o640, 0, 0, ""},
		{"root, another's folder", someUser, 0o755, 0, 0o600, 0, 0, ""},
		{"the group", 0, 0o770, 0, 0o660, someUser, someGroup, "owner and rights of the old"},
		{"the group, in a folder of root", 0, 0o750, 0, 0o660, someUser, someGroup, "keep the database in a folder of its own"},
		{"everybody", 0, 0o777, 0, 0o666, someUser, someGroup + 1, "owner and rights of the old"},
	} {
		path := newFile(t, fullTable()...)
		folder := filepath.Dir(path)
		err := errors.Join(os.Chown(folder, test.folderUser, someGroup), os.Chmod(folder, fs.FileMode(test.folder)),
			os.Chown(path, test.fileUser, someGroup), os.Chmod(path, fs.FileMode(test.file)))
		if err != nil {
			t.Fatal(err)
		}
		before, info := contentOf(t, path), must(os.Stat(path))(t)
		r := childReports(t, "as", folder, strconv.Itoa(test.uid), strconv.Itoa(test.gid), "grow")
		t.Run(test.name, func(t *testing.T) {
			if test.refusal != "" {
				refuses(t, path, before, 0, r, test.refusal)
			} else if r.Failed != "" || len(contentOf(t, path).values) != len(before.values)+1 {
				t.Errorf("refused: %s", r.Failed)
			}
			if now := must(os.Stat(path))(t); now.Mode() != info.Mode() || !sameOwner(now, info) {
				t.Errorf("the file is now %v of %v", now.Mode(), now.Sys().(*syscall.Stat_t).Uid)
			}
			if left := leftBeside(t, path); left != nil {
				t.Errorf("left in the folder: %q", left)
			}
		})
	}
}

// must returns a value, unless there is an error.
func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// TestAttributes: the access control list and the user's attributes stay.
func TestAttributes(t *testing.T) {
	t.Parallel()
	setfacl, getfacl := peers.Need(t, "setfacl", "acl"), peers.Need(t, "getfacl", "acl")
	setfattr, getfattr := peers.Need(t, "setfattr", "attr"), peers.Need(t, "getfattr", "attr")
	path := newFile(t, user("al", "r", "pw"))
	if os.Getuid() == 0 {
		if err := os.Chown(path, someUser, someGroup); err != nil {
			t.Fatal(err)
		}
	}
	mustSupport(t, setfacl, "-m", "u:12346:r,g:12347:rw,m:r", path)
	mustSupport(t, setfattr, "-n", "user.note", "-v", "by the administrator", path)
	// The folder would give more, to others.
	mustSupport(t, setfacl, "-d", "-m", "u:12348:rw", filepath.Dir(path))
	look := func() string {
		return mustRun(t, "", getfacl, "-n", path) + mustRun(t, "", getfattr, "-d", path)
	}
	before := look()
	mustEdit(t, path, WriteOptions{}, addNewcomer)
	if after := look(); after != before {
		t.Errorf("attributes before:\n%s\nand after:\n%s", before, after)
	}
}

// mustSupport runs a program, which fails if the file system does not know what it
// sets.
func mustSupport(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); strings.Contains(string(out), "not supported") {
		peers.Missing(t, "a file system with attributes")
	} else if err != nil {
		t.Fatalf("%s: %s", program, out)
	}
}

// TestDefaultList: that of a folder does not open a file to others, neither a new
// one nor one that had no list.
func TestDefaultList(t *testing.T) {
	t.Parallel()
	setfacl, getfacl := peers.Need(t, "setfacl", "acl"), peers.Need(t, "getfacl", "acl")
	path := newFile(t, user("al", "r", "pw"))
	folder := filepath.Dir(path)
	mustSupport(t, setfacl, "-d", "-m", "u:12346:rw,g:12347:rw,o::rw", folder)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	mustEdit(t, path, WriteOptions{}, addNewcomer)
	created := filepath.Join(folder, "created")
	mustEdit(t, created, WriteOptions{Create: true, Mode: 0o640}, addNewcomer)
	for _, path := range []string{path, created} {
		list := mustRun(t, "", getfacl, "-cn", path)
		if want := "user::rw-\ngroup::r--\nother::---\n\n"; list != want {
			t.Errorf("%s:\n%s", path, list)
		}
	}
}

// mounted is the child operate in a mount namespace of its own, where the database
// file is a mount, or its folder a read-only one.
func mounted(args []string) {
	what, operation, path := args[0], args[1], args[2]
	folder := filepath.Dir(path)
	var err error
	switch what {
	case "file":
		err = unix.Mount(path, path, "", unix.MS_BIND, "")
	case "read-only folder":
		err = errors.Join(unix.Mount(folder, folder, "", unix.MS_BIND, ""),
			unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	}
	if err != nil {
		fail("mount: %v", err)
	}
	if operation == "check" {
		newReport(CheckWritable(context.Background(), path), 0).print()
		return
	}
	operate([]string{operation, path})
}

// TestMounts: a file that is a mount of its own, as is usual with containers, and a
// file system that is read-only, are told with their cures.
func TestMounts(t *testing.T) {
	t.Parallel()
	peers.Root(t, "mounts")
	for what, reason := range map[string]string{"file": "mount the folder that it lies in", "read-only folder": "read-only"} {
		for _, operation := range []string{"grow", "check"} {
			t.Run(what+"/"+operation, func(t *testing.T) {
				path := newFile(t, fullTable()...)
				before := contentOf(t, path)
				cmd := childCommand(t, "mounted", what, operation, path)
				cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
				out, err := cmd.Output()
				if errors.Is(err, unix.EPERM) {
					peers.Missing(t, "mount namespaces")
				}
				if err != nil {
					t.Fatal(err)
				}
				refuses(t, path, before, 0, parseReport(t, out), reason)
			})
		}
	}
}
