//go:build linux || openbsd || darwin || freebsd || netbsd

package daemon

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/internal/peers"
)

// shortFolder returns a folder whose path leaves room for sockets, which t.TempDir's does
// not on every system.
func shortFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "sk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

func mustListen(t *testing.T, s Socket) net.Listener {
	t.Helper()
	l, err := Listen(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// namesIn lists a folder.
func namesIn(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// answers reports whether a connection to the path arrives at l.
func answers(t *testing.T, path string, l net.Listener) bool {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Error(err)
		return false
	}
	defer c.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Error(err)
		return false
	}
	accepted.Close()
	return true
}

// leaveStale leaves a socket that nobody listens on.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

func TestListenUnix(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mode, want os.FileMode
	}{
		"by default": {0, 0o660},
		"0600":       {0o600, 0o600},
		"0666":       {0o666, 0o666},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := shortFolder(t)
			path := filepath.Join(folder, "auth")
			l := mustListen(t, Socket{Path: path, Mode: tt.mode})
			st, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if st.Mode() != tt.want|os.ModeSocket {
				t.Errorf("mode %v", st.Mode())
			}
			if l.Addr().String() != path || l.Addr().Network() != "unix" {
				t.Errorf("listening on %v", l.Addr())
			}
			if diff := cmp.Diff([]string{"auth"}, namesIn(t, folder)); diff != "" {
				t.Errorf("in the folder, -want +got:\n%s", diff)
			}
			if !answers(t, path, l) {
				t.Error("nobody answers")
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if left := namesIn(t, folder); left != nil {
				t.Errorf("left behind: %q", left)
			}
			if err := l.Close(); err != nil {
				t.Errorf("closing once more: %v", err)
			}
		})
	}
}

// TestListenOverStale: what a process that was killed left behind is replaced.
func TestListenOverStale(t *testing.T) {
	t.Parallel()
	folder := shortFolder(t)
	path := filepath.Join(folder, "auth")
	leaveStale(t, path)
	if err := os.Mkdir(filepath.Join(folder, stagingName), 0o700); err != nil {
		t.Fatal(err)
	}
	leaveStale(t, filepath.Join(folder, stagingName, stagedName))
	l := mustListen(t, Socket{Path: path})
	if !answers(t, path, l) {
		t.Error("nobody answers")
	}
	if diff := cmp.Diff([]string{"auth"}, namesIn(t, folder)); diff != "" {
		t.Errorf("in the folder, -want +got:\n%s", diff)
	}
}

// TestListenKeeps: what is not a stale socket stays as it is.
func TestListenKeeps(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string
	}{
		"file": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "there is a file, not a socket, and it stays"},
		"folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "there is a folder"},
		"symlink to a stale socket": {func(t *testing.T, path string) {
			leaveStale(t, path+"2")
			if err := os.Symlink(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}, "there is a symlink"},
		"dangling symlink": {func(t *testing.T, path string) {
			if err := os.Symlink(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}, "there is a symlink"},
		"pipe": {func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "there is a device or pipe"},
		"live socket": {func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, "another process listens there"},
		"live socket of ours": {func(t *testing.T, path string) { mustListen(t, Socket{Path: path}) }, "another process listens there"},
		"live socket of datagrams": {func(t *testing.T, path string) {
			c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
		}, "socket"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := shortFolder(t)
			path := filepath.Join(folder, "auth")
			tt.prepare(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			names := namesIn(t, folder)
			_, err = Listen(t.Context(), Socket{Path: path})
			if err == nil || !strings.HasPrefix(err.Error(), "daemon: socket "+path+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) {
				t.Errorf("it did not stay: %v", err)
			}
			if diff := cmp.Diff(names, namesIn(t, folder)); diff != "" {
				t.Errorf("in the folder, -want +got:\n%s", diff)
			}
		})
	}
}

// TestListenLiveIsNamed: who finds the path in use learns by whom.
func TestListenLiveIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortFolder(t), "auth")
	c := mustListen(t, Socket{Path: path})
	d, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	accepted, err := c.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if !credentialsOf(accepted).Known {
		t.Skip("this system does not tell who is at the other end")
	}
	_, err = Listen(t.Context(), Socket{Path: path})
	if want := fmt.Sprintf("pid %d, uid %d", os.Getpid(), os.Getuid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// TestListenFolders: a folder that does not do is named together with a cure.
func TestListenFolders(t *testing.T) {
	t.Parallel()
	folder := shortFolder(t)
	if err := os.WriteFile(filepath.Join(folder, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "readonly"), 0o555); err != nil {
		t.Fatal(err)
	}
	os.Chmod(folder, 0o755)
	for name, want := range map[string]string{
		"missing/auth":  "there is no folder " + filepath.Join(folder, "missing") + " (create it: install -d",
		"file/auth":     "is not a folder",
		"readonly/auth": "may not create files in " + filepath.Join(folder, "readonly"),
	} {
		nobody.Do(func() {
			if runtime.GOOS != "linux" && os.Geteuid() == 0 && name == "readonly/auth" {
				return // root may write everywhere
			}
			_, err := Listen(t.Context(), Socket{Path: filepath.Join(folder, name)})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		})
	}
}

// TestFolderError: what the system says about a folder has a cure.
func TestFolderError(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		syscall.EROFS:  "/x is read-only: read-only file system (mount a volume there that can be written)",
		syscall.ENOENT: "there is no folder /x (create it: install -d -m 0710 -o USER -g GROUP /x)",
		syscall.ENOSPC: "folder /x: no space left on device",
	} {
		if got := folderError("/x", err).Error(); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// TestCloseLeavesOthers: a listener removes its own socket only.
func TestCloseLeavesOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortFolder(t), "auth")
	first := mustListen(t, Socket{Path: path})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second := mustListen(t, Socket{Path: path})
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if !answers(t, path, second) {
		t.Error("the socket of the second is gone")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Errorf("closing after somebody removed the socket: %v", err)
	}
}

// TestListenOwners: the socket is given away, by root to anybody, by others within their
// groups.
func TestListenOwners(t *testing.T) {
	t.Parallel()
	folder := shortFolder(t)
	own, err := Listen(t.Context(), Socket{Path: filepath.Join(folder, "own"), Owner: fmt.Sprint(os.Geteuid()), Group: fmt.Sprint(os.Getegid())})
	if err != nil {
		t.Fatal(err)
	}
	own.Close()
	foreign := Socket{Path: filepath.Join(folder, "auth"), Owner: "12345", Group: "23456"}
	if os.Geteuid() != 0 {
		if _, err := Listen(t.Context(), foreign); err == nil || !strings.Contains(err.Error(), "only root can give it to somebody else") {
			t.Error(err)
		}
		foreign.Owner = ""
		groups, _ := os.Getgroups()
		if _, err := Listen(t.Context(), foreign); !slices.Contains(groups, 23456) && (err == nil || !strings.Contains(err.Error(), "a member of it")) {
			t.Error(err)
		}
	}
	peers.Root(t, "giving sockets away")
	mustListen(t, foreign)
	st, err := os.Lstat(foreign.Path)
	if err != nil {
		t.Fatal(err)
	}
	if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 12345 || sys.Gid != 23456 || st.Mode().Perm() != 0o660 {
		t.Errorf("owner %d, group %d, mode %v", sys.Uid, sys.Gid, st.Mode())
	}
}
