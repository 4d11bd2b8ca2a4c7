//go:build unix

package main

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A FIFO must not hold the command until somebody writes to it.
func TestFIFOIsNoDatabase(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip("missing: FIFOs: ", err)
	}
	for _, command := range []string{"users", "verify"} {
		commandCase{args: []string{command, "-f", fifo}, code: 3, err: []string{"not a regular file"}}.check(t)
	}
	commandCase{stdin: "x\n", args: []string{"check", "--verifier", "sasldb:" + fifo, "--password-stdin", "alice"}, code: 3,
		out: "no reason=unavailable\n", err: []string{"not a regular file"}}.check(t)
}
