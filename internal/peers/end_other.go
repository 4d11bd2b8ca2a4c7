//go:build !unix

package peers

import (
	"os/exec"
	"syscall"
)

func ask(cmd *exec.Cmd, _ syscall.Signal) { cmd.Process.Kill() }
