//go:build amd64 || arm64

package sasldb

import (
	"fmt"
	"syscall"
	"testing"
)

// TestCrashWhileMerging kills us, or has a call fail, while we take over what a late
// writer did. Our change is there, and theirs whole or not at all.
func TestCrashWhileMerging(t *testing.T) {
	t.Parallel()
	needLeases(t)
	l := late{operation: "grow"}
	data := theirs(user("theirs", "r", "of them"), user("theirs too", "r", "of them"))(t)
	run := func(then func(n int, c call) verdict) (path string, r traced) {
		path = memoryFile(t, fullTable()...)
		written := make(chan error, 1)
		r = l.traceUntilRename(t, path, func() { go l.come(path, data, written) }, then)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		return path, r
	}
	var plan []call
	run(func(n int, c call) verdict {
		plan = append(plan, c)
		return verdict{}
	})
	for i, c := range plan {
		for _, fault := range []verdict{{kill: true}, {fail: syscall.EIO}} {
			if fault.fail != 0 && c.does == unlinks {
				continue
			}
			where := fmt.Sprintf("%+v at call %d, %v", fault, i+1, c)
			path, r := run(func(n int, _ call) verdict {
				if n == i+1 {
					return fault
				}
				return verdict{}
			})
			if r.status.Signaled() != fault.kill {
				t.Errorf("%s: status %v", where, r.status)
			} else if courtesy := c.file == "sasldb2.lock"; !fault.kill && !courtesy && !parseReport(t, r.out).is("ErrInPlace") {
				t.Errorf("%s: %s", where, r.out)
			}
			checkMerge(t, where, path)
		}
	}
	t.Logf("%d calls: %v", len(plan), plan)
}

// checkMerge looks for our user and for both of theirs or none, and has the next
// change sweep.
func checkMerge(t *testing.T, where, path string) {
	t.Helper()
	values := contentOf(t, path).values
	if n := len(values) - len(fullTable()); values[newcomerKey] != "pw" || n != 1 && n != 3 {
		t.Errorf("%s: %d users more; ours is %q, theirs %q and %q", where, n, values[newcomerKey], values["theirs\x00r\x00userPassword"], values["theirs too\x00r\x00userPassword"])
	}
	mustEdit(t, path, WriteOptions{}, func(tx *Tx) error { return tx.Set(user("later", "r", "pw")) })
	if left := leftBeside(t, path); left != nil {
		t.Errorf("%s: left in the folder by the next change: %q", where, left)
	}
}
