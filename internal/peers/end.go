package peers

import (
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// ErrKilled says that a peer did not end when it was asked to.
var ErrKilled = errors.New("it did not end, and was killed")

// patience is what a peer has for its end: a database on a busy machine.
const patience = 2 * time.Minute

// End asks a peer, stopped or not, by a signal to end, and waits for that. A peer that leads
// a process group is asked with all of it. What is not over in two minutes is killed; nor is
// a child of its that still has what it wrote to waited for any longer.
func End(cmd *exec.Cmd, signal syscall.Signal) error { return end(cmd, signal, patience) }

func end(cmd *exec.Cmd, signal syscall.Signal, patience time.Duration) error {
	ask(cmd, signal)
	stuck := time.AfterFunc(patience, func() { ask(cmd, syscall.SIGKILL) })
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = patience
	}
	err := cmd.Wait()
	if !stuck.Stop() {
		return ErrKilled
	}
	return err
}
