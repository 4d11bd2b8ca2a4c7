//go:build unix

package peers

import (
	"os/exec"
	"syscall"
)

// ask sends a signal to a peer, or to the group that it leads, and wakes who is stopped.
func ask(cmd *exec.Cmd, signal syscall.Signal) {
	whom := cmd.Process.Pid
	if cmd.SysProcAttr != nil && cmd.SysProcAttr.Setpgid {
		whom = -whom
	}
	syscall.Kill(whom, signal)
	syscall.Kill(whom, syscall.SIGCONT)
}
