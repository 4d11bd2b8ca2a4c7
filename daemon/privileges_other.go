//go:build !linux

package daemon

import (
	"errors"
	"fmt"
	"runtime"
)

// dropPrivileges: only Linux has a way for all threads that is tested.
func dropPrivileges(user, _ string) error {
	if user == "" {
		return nil
	}
	return fmt.Errorf("changing users on %s: %w (start the daemon as that user)", runtime.GOOS, errors.ErrUnsupported)
}
