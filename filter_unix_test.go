//go:build unix

package saslkit

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A FIFO to which nobody writes holds nobody.
func TestParseMechanismFilterFIFO(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "filter")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseMechanismFilter(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
}
