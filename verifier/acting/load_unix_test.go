//go:build unix

package acting

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A FIFO to which nobody writes holds nobody.
func TestLoadFIFO(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "acting")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := Load(path, Options{}); r != nil || err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v, %v", r, err)
	}
}
