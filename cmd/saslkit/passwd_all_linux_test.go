package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/sasldb"
)

// TestPasswdAllInterrupted: Ctrl-C, once the terminal shows that keys are made, ends the
// program, and the file is as it was.
func TestPasswdAllInterrupted(t *testing.T) {
	t.Parallel()
	var users []sasldb.Record
	for i := range 1000 { // which with a million iterations take an hour
		users = append(users, password(fmt.Sprint("u", i), "e", "x"))
	}
	db := createDB(t, users...)
	before, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	keyboard, terminal := newTerminal(t)
	screen := &syncBuffer{}
	go io.Copy(screen, keyboard)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "passwd", "-f", db, "--all", "--scram", "--iterations", "1000000")
	cmd.Env = append(os.Environ(), "SASLKIT_TEST_AS_COMMAND=1")
	cmd.Stderr = terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer hangs.Stop()
	go func() {
		for cmd.Process.Signal(syscall.Signal(0)) == nil {
			if strings.Contains(screen.String(), "making keys") {
				cmd.Process.Signal(os.Interrupt)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	cmd.Wait()
	after, _ := os.ReadFile(db)
	if code := cmd.ProcessState.ExitCode(); code != exitUntried || !bytes.Equal(before, after) {
		t.Errorf("exit %d, the file is the same: %v; %s", code, bytes.Equal(before, after), screen)
	}
	for deadline := time.Now().Add(3 * time.Minute); !strings.Contains(screen.String(), "is as it was: interrupted"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("shown is %q", screen)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(db)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
