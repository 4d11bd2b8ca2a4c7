package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What cannot be counted shows that it goes on, for as long as it does.
func TestSpin(t *testing.T) {
	t.Parallel()
	screen := &syncBuffer{}
	failed := errors.New("failed")
	err := (&stdio{terminal: screen}).spin("writing \x1bdb", func() error {
		for deadline := time.Now().Add(3 * time.Minute); strings.Count(screen.String(), "writing") < 3; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				return errors.New("nothing is shown")
			}
		}
		return failed
	})
	if err != failed {
		t.Error(err)
	}
	shown := screen.String()
	if !strings.Contains(shown, `writing \x1bdb`) || !strings.HasSuffix(shown, "\r") {
		t.Errorf("shown is %q", shown)
	}
	time.Sleep(500 * time.Millisecond)
	if later := screen.String(); later != shown {
		t.Errorf("and later %q", strings.TrimPrefix(later, shown))
	}
}
