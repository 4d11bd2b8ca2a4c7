//go:build !unix

package pam

import (
	"os"
	"syscall"
)

func inherited() (in, out *os.File) { return os.Stdin, os.Stdout }

func ownGroup() *syscall.SysProcAttr { return nil }
