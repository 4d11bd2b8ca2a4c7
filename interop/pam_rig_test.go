//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier/pam"
	"github.com/saslkit/saslkit/verifier/saslauthd"
)

// pamCommand builds the command with PAM in it.
func pamCommand(t *testing.T) string {
	t.Helper()
	need(t, "gcc")
	if _, err := os.Stat("/usr/include/security/pam_appl.h"); err != nil {
		peers.Missing(t, "security/pam_appl.h (Debian package libpam0g-dev)")
	}
	path := filepath.Join(t.TempDir(), "saslkit")
	cmd := exec.Command(need(t, "go"), "build", "-tags", "pam", "-o", path, "../cmd/saslkit")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil { // for who is not root
		t.Fatal(err)
	}
	return path
}

// overlay is a shell command that runs its other arguments where the second folder is
// /etc. Nobody else sees that.
const overlay = `"$1" --bind "$2" /etc && shift 2 && exec "$@"`

// inside runs a program where /etc is that of a saslauthd.
func inside(t *testing.T, s *saslauthdPeer, program string, args ...string) (*exec.Cmd, *syncText) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", overlay, "sh", need(t, "mount"), s.etc(""), program}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	said := new(syncText)
	cmd.Stderr = said
	return cmd, said
}

// startInside runs one of our daemons there, until the test ends, and returns its client.
func startInside(t *testing.T, s *saslauthdPeer, program string, args ...string) (*saslauthd.Client, *syncText) {
	t.Helper()
	dir, err := os.MkdirTemp("", "saslkit-pam-") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", dir)
	}
	cmd, said := inside(t, s, program, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := peers.End(cmd, syscall.SIGTERM); err != nil {
			t.Errorf("%s: %v\n%s", program, err, said)
		}
	})
	socket := filepath.Join(dir, "mux")
	asktest.Until(t, "our daemon listens", func() bool { _, err := os.Stat(socket); return err == nil })
	v, err := saslauthd.New(saslauthd.Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	return v, said
}

// openPam opens a service there. What it is asked runs in children that are the command.
func openPam(t *testing.T, s *saslauthdPeer, command string, o pam.Options) *pam.Stack {
	t.Helper()
	o.Program = filepath.Join(t.TempDir(), "child")
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' -m /bin/sh -c '%s' sh '%s' '%s' '%s'\n",
		peers.Need(t, "unshare", "util-linux"), overlay, need(t, "mount"), s.etc(""), command)
	if err := os.WriteFile(o.Program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	o.Folder, o.Timeout = s.etc("pam.d"), patience // this process sees another /etc
	v, err := pam.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// A syncText is what a program says while it runs.
type syncText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *syncText) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *syncText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
