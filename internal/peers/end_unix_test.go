//go:build unix

package peers

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, script string
		before       syscall.Signal
		patience     time.Duration
		killed       bool
	}{
		{"ends", "echo; read x", syscall.SIGCONT, time.Minute, false},
		{"is stopped", "echo; read x", syscall.SIGSTOP, time.Minute, false},
		{"does not", "exec 3<&0; trap '' TERM; { echo; read x <&3; } & wait", syscall.SIGCONT, 10 * time.Millisecond, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			out, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			nothing, more, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer more.Close()
			defer nothing.Close()
			cmd := exec.Command("sh", "-c", row.script)
			cmd.Stdin, cmd.Stdout, cmd.SysProcAttr = nothing, in, &syscall.SysProcAttr{Setpgid: true}
			err = cmd.Start()
			in.Close()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := bufio.NewReader(out).ReadByte(); err != nil { // it is there
				t.Error(err)
			}
			cmd.Process.Signal(row.before)
			if err := end(cmd, syscall.SIGTERM, row.patience); errors.Is(err, ErrKilled) != row.killed {
				t.Errorf("it ended with %v", err)
			}
			out.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.ReadAll(out); err != nil {
				t.Errorf("somebody of its group is still there: %v", err)
			}
		})
	}
}

// A child that outlives a peer and has its output is not waited for.
func TestEndOfParent(t *testing.T) {
	t.Parallel()
	child, alive, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close() // which ends the child
	begun := make(firstWrite, 1)
	cmd := exec.Command("sh", "-c", "(echo begun; exec cat) <&3 & exec sleep 1000")
	cmd.Stdout, cmd.ExtraFiles = begun, []*os.File{child}
	err = cmd.Start()
	child.Close()
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := end(cmd, syscall.SIGKILL, 10*time.Millisecond); err == nil {
		t.Error("it ended well")
	}
}

// A firstWrite tells of the first thing that is written.
type firstWrite chan struct{}

func (f firstWrite) Write(b []byte) (int, error) {
	select {
	case f <- struct{}{}:
	default:
	}
	return len(b), nil
}
