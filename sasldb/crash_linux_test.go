//go:build amd64 || arm64

package sasldb

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/saslkit/saslkit/internal/peers"
)

// TestCrash runs each operation once to see which system calls it writes with, and
// then once for each of them and each fault: the process is killed before the call,
// or the call fails. What is found after is the old file or the new one.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"create", "grow", "delete", "batch", "convert"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrash(t, name, operations[name])
			plan := c.undisturbed()
			for n, call := range plan {
				c.kill(n+1, call)
				if call.does == unlinks {
					continue // what cannot be removed is left
				}
				c.fail(n+1, call, unix.ENOSPC)
				c.fail(n+1, call, unix.EIO)
			}
			t.Logf("%d calls: %v", len(plan), plan)
		})
	}
}

// A crash is one operation to be disturbed, in a folder of its own.
type crash struct {
	*testing.T
	operation
	name          string
	path          string
	before, after content
	info          fs.FileInfo // before
}

func newCrash(t *testing.T, name string, o operation) *crash {
	folder := filepath.Join(memoryFolder(t), "folder")
	c := &crash{T: t, operation: o, name: name, path: filepath.Join(folder, "sasldb2")}
	c.restore()
	c.before = contentOf(t, c.path)
	return c
}

// restore brings back what there was before the operation.
func (c *crash) restore() {
	c.Helper()
	folder := filepath.Dir(c.path)
	err := os.RemoveAll(folder)
	if err == nil {
		err = os.Mkdir(folder, 0o700)
	}
	if err != nil {
		c.Fatal(err)
	}
	if c.records == nil {
		return
	}
	if err := Create(c.path, c.records()); err != nil {
		c.Fatal(err)
	}
	if os.Getuid() == 0 { // so that the new file needs everything that there is
		if err := os.Chown(c.path, 12345, 54321); err != nil {
			c.Fatal(err)
		}
	}
	if err := os.Chmod(c.path, 0o640); err != nil {
		c.Fatal(err)
	}
	if c.info, err = os.Stat(c.path); err != nil {
		c.Fatal(err)
	}
}

func (c *crash) run(visit func(n int, c call) verdict) traced {
	c.Helper()
	return trace(c.T, []string{testBinary(c.T), c.name, c.path}, childEnvironment("operate"), "", filepath.Dir(c.path), visit)
}

// undisturbed runs the operation as it should be.
func (c *crash) undisturbed() []call {
	c.Helper()
	r := c.run(func(int, call) verdict { return verdict{} })
	if report := parseReport(c.T, r.out); report.Failed != "" || !r.status.Exited() {
		c.Fatalf("undisturbed: %q, status %v", report.Failed, r.status)
	}
	c.after = contentOf(c.T, c.path)
	if want := len(c.before.values) + c.more; len(c.after.values) != want {
		c.Errorf("undisturbed: %d users, want %d", len(c.after.values), want)
	}
	if c.after.equal(c.before) {
		c.Error("undisturbed: nothing is different")
	}
	if info, err := os.Stat(c.path); c.name == "grow" && (err != nil || info.Size() <= c.info.Size()) {
		c.Errorf("undisturbed: the table does not grow: %v", err)
	}
	if left := leftBeside(c.T, c.path); left != nil {
		c.Errorf("undisturbed: left in the folder: %q", left)
	}
	c.checkOrder(r.calls)
	return r.calls
}

// checkOrder looks for what a power failure would show: the file is flushed when it
// is finished and before it is renamed, the folder after that, and nothing else.
func (c *crash) checkOrder(calls []call) {
	c.Helper()
	var order []string
	for _, call := range calls {
		switch {
		case call.file == "sasldb2.lock":
		case call.does == flushes && call.file == ".":
			order = append(order, "folder flushed")
		case call.does == flushes:
			order = append(order, "file flushed")
		case call.does == renames:
			order = append(order, "renamed")
		case len(order) == 0 || order[len(order)-1] != "worked on":
			order = append(order, "worked on")
		}
	}
	if want := []string{"worked on", "file flushed", "renamed", "folder flushed"}; !slices.Equal(order, want) {
		c.Errorf("undisturbed: %q, want %q", order, want)
	}
}

// kill has the process die before the n-th call.
func (c *crash) kill(n int, at call) {
	c.Helper()
	c.restore()
	r := c.run(func(now int, _ call) verdict { return verdict{kill: now == n} })
	where := fmt.Sprintf("killed before call %d, %v", n, at)
	if !r.status.Signaled() || len(r.calls) != n {
		c.Errorf("%s: status %v, %d calls", where, r.status, len(r.calls))
	}
	c.eitherWay(where)
	var temporary int
	for _, name := range leftBeside(c.T, c.path) {
		switch {
		case name == "sasldb2.lock":
		case strings.HasPrefix(name, ".sasldb2.saslkit-"):
			temporary++
		default:
			c.Errorf("%s: left in the folder: %s", where, name)
		}
	}
	if temporary > 1 {
		c.Errorf("%s: %d temporary files are left", where, temporary)
	}
	c.goOn(where)
}

// fail has the n-th call fail.
func (c *crash) fail(n int, at call, errno unix.Errno) {
	c.Helper()
	c.restore()
	r := c.run(func(now int, _ call) verdict {
		if now == n {
			return verdict{fail: errno}
		}
		return verdict{}
	})
	where := fmt.Sprintf("call %d, %v, fails with %v", n, at, errno)
	if !r.status.Exited() {
		c.Fatalf("%s: status %v: %s", where, r.status, r.out)
	}
	report := parseReport(c.T, r.out)
	now := c.eitherWay(where)
	name := map[unix.Errno]string{unix.EIO: "EIO", unix.ENOSPC: "ENOSPC"}[errno]
	switch {
	case report.Failed == "":
		if !now.equal(c.after) {
			c.Errorf("%s: no error and no change", where)
		}
		// Whom the lock file belongs to is a courtesy.
		if at.file != "sasldb2.lock" || at.does != dresses {
			c.Errorf("%s: no error", where)
		}
	case !report.is(name):
		c.Errorf("%s: another error: %s", where, report.Failed)
	case report.is("ErrInPlace") && !now.equal(c.after):
		c.Errorf("%s: the change is not in place: %s", where, report.Failed)
	case !report.is("ErrInPlace") && !now.equal(c.before):
		c.Errorf("%s: the change is there: %s", where, report.Failed)
	}
	if left := leftBeside(c.T, c.path); left != nil {
		c.Errorf("%s: left in the folder: %q", where, left)
	}
	c.goOn(where)
}

// eitherWay checks that the file is the old one or the new, and returns it.
func (c *crash) eitherWay(where string) content {
	c.Helper()
	now := contentOf(c.T, c.path)
	if !now.equal(c.before) && !now.equal(c.after) {
		c.Errorf("%s: neither the old file nor the new: %s", where, c.before.difference(now))
	}
	if info, err := os.Stat(c.path); err == nil && c.info != nil && (info.Mode() != c.info.Mode() || !sameOwner(info, c.info)) {
		c.Errorf("%s: mode is %v of %v", where, info.Mode(), info.Sys().(*syscall.Stat_t).Uid)
	}
	return now
}

// goOn writes once more, which must go well and sweep.
func (c *crash) goOn(where string) {
	c.Helper()
	want := contentOf(c.T, c.path)
	values := map[string]string{"later\x00r\x00userPassword": "pw"}
	maps.Copy(values, want.values)
	want.values = values
	later := user("later", "r", "pw")
	if err := Edit(c.Context(), c.path, WriteOptions{Create: true}, func(tx *Tx) error { return tx.Set(later) }); err != nil {
		c.Errorf("%s: next change: %v", where, err)
	}
	if now := contentOf(c.T, c.path); !now.equal(want) {
		c.Errorf("%s: after the next change: %s", where, want.difference(now))
	}
	if left := leftBeside(c.T, c.path); left != nil {
		c.Errorf("%s: left in the folder by the next change: %q", where, left)
	}
}

// TestNeverWider looks at the temporary file before each call: it is open to nobody
// but its owner, or to those whom the old file is open to.
func TestNeverWider(t *testing.T) {
	t.Parallel()
	setfacl, getfacl := peers.Need(t, "setfacl", "acl"), peers.Need(t, "getfacl", "acl")
	list := func(path string) string { return mustRun(t, "", getfacl, "-cn", path) }
	for _, entries := range []string{"u:12346:r,g::-,m:r", "g::r"} {
		path := memoryFile(t, fullTable()...)
		folder := filepath.Dir(path)
		mustSupport(t, setfacl, "-d", "-m", "u:12348:rw,g::rw,o::rw", folder)
		mustSupport(t, setfacl, "-m", entries, path)
		old, seen := list(path), 0
		trace(t, []string{testBinary(t), "grow", path}, childEnvironment("operate"), "", folder, func(n int, c call) verdict {
			temporary, err := filepath.Glob(filepath.Join(folder, ".sasldb2.saslkit-*"))
			if err != nil || len(temporary) == 0 {
				return verdict{}
			}
			seen++
			if now := list(temporary[0]); effective(now) != "user::rw-\n\n" && now != old {
				t.Errorf("before call %d, %v:\n%s", n, c, now)
			}
			return verdict{}
		})
		if seen < 4 || list(path) != old {
			t.Errorf("seen %d times, and in the end\n%s", seen, list(path))
		}
	}
}

// effective leaves out of a list those who get nothing by it.
func effective(list string) string {
	var left strings.Builder
	for line := range strings.Lines(list) {
		if !strings.HasSuffix(line, ":---\n") {
			left.WriteString(line)
		}
	}
	return left.String()
}
