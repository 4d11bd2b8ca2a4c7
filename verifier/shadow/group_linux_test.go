package shadow

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/verifier/stored"
)

// TestGroupShadow: on a file like Debian's, of root and group shadow with mode 0640, the
// group is enough, and nothing less.
func TestGroupShadow(t *testing.T) {
	t.Parallel()
	peers.Root(t, "a file of another group")
	const shadowGroup, other, nobody = 42, 43, 65534
	db := newDB(t, stored.Options{}, "alice:"+md5Hash+":19000:0:99999:7:::")
	path := db.file.Path()
	dir := filepath.Dir(path)
	err := errors.Join(os.Chown(path, 0, shadowGroup), os.Chmod(path, 0o640), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	as := func(group int, f func()) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		syscall.Setfsgid(group)
		defer syscall.Setfsgid(0)
		syscall.Setfsuid(nobody)
		defer syscall.Setfsuid(0)
		f()
	}
	as(shadowGroup, func() {
		if _, err := Open(path); err != nil {
			t.Errorf("in the group: %v", err)
		}
		if err := verify(t, db, "alice", "secret"); err != nil {
			t.Errorf("login in the group: %v", err)
		}
	})
	as(other, func() {
		if _, err := Open(path); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("in another group: %v", err)
		}
	})
}
