//go:build unix

package pam

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
)

// killParent kills a process with two checks under way, and waits for its children to
// end. The checks are of a user who keeps them busy.
func killParent(t *testing.T, folder, service, user, password string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), parentVariable+"="+strings.Join([]string{folder, service, user, password}, "\t"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids, err := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if err != nil || len(strings.Fields(pids)) != 2 {
		t.Fatalf("children %q, %v", pids, err)
	}
	for _, pid := range strings.Fields(pids) {
		asktest.Until(t, "child "+pid+" has ended", func() bool { return hasEnded(pid) })
	}
}

// hasEnded reports whether there is no process, or only what init should take note of.
func hasEnded(pid string) bool {
	number, err := strconv.Atoi(pid)
	if err != nil || syscall.Kill(number, 0) == syscall.ESRCH {
		return true
	}
	stat, _ := os.ReadFile("/proc/" + pid + "/stat")
	return strings.Contains(string(stat), ") Z ")
}

// parentVariable in the environment makes a process the parent that is killed.
const parentVariable = "SASLKIT_PAM_TEST_PARENT"

// parent says which children it has, once they are busy.
func parent(args []string) {
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	s := prepare(Options{Folder: args[0], Service: args[1], Parallel: 2}, program)
	for range 2 {
		go s.VerifyPassword(context.Background(), verifier.Request{User: args[2]}, args[3])
	}
	for {
		s.pool.mu.Lock()
		var pids []any
		for c := range s.pool.all {
			pids = append(pids, c.cmd.Process.Pid)
		}
		s.pool.mu.Unlock()
		if len(pids) == 2 {
			time.Sleep(200 * time.Millisecond) // for them to be busy; it matters little if they are not
			fmt.Println(pids...)
			select {}
		}
	}
}

func TestParentIsKilled(t *testing.T) {
	t.Parallel()
	s := startFake(t, Options{})
	killParent(t, s.folder, s.service, "hangs", "x")
}
