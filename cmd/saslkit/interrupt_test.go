package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
)

// TestInterruptedChange: an interrupt ends the context, and the command says that it was
// interrupted; a change that was done all the same is done.
func TestInterruptedChange(t *testing.T) { // not parallel: the signal is the whole process's
	interrupt := func() {
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = p.Signal(syscall.SIGTERM)
		}
		if err != nil {
			peers.Missing(t, "signals (a Unix system): "+err.Error())
		}
	}
	err := whileChanging(t.Context(), func(ctx context.Context) error {
		interrupt()
		<-ctx.Done()
		return ctx.Err()
	})
	if exitCode(err) != exitUntried || !strings.Contains(err.Error(), "interrupted") {
		t.Error(err)
	}
	err = whileChanging(t.Context(), func(ctx context.Context) error {
		interrupt()
		<-ctx.Done()
		return nil
	})
	if err != nil {
		t.Errorf("a change that was done: %v", err)
	}
	broken := errors.New("broken")
	if err := whileChanging(t.Context(), func(context.Context) error { return broken }); err != broken {
		t.Errorf("a change that failed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if err := importRecords(ctx, &stdio{}, dir+"/db", 0, make([]incoming, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("an import without a context: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
