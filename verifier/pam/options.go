package pam

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options configure a Stack. The zero value asks the service of each request, as
// saslauthd does.
type Options struct {
	// Service is the PAM service, a file in /etc/pam.d: 1 to 64 of a to z, 0 to 9, '-'
	// and '_'. "" is Request.Service, "smtp" or "imap", which must be such a name.
	Service string
	// Folder is where the files of services are, in the place of /etc/pam.d; absolute.
	// It is for tests and containers, and wants Linux-PAM 1.4 or later.
	Folder string
	// Parallel is how many children there are at most, one for each check under way.
	// 64 times as many checks wait, and who comes then is told ErrUnavailable. 0 is
	// twice the number of processors, 4 at least; 1,024 is the most.
	Parallel int
	// Timeout bounds a check, waiting for a child included: a child that has not
	// answered by then is killed. 0 is 30 s.
	Timeout time.Duration
	// Program is the path of a program that calls Child first in its main, such as the
	// command saslkit. "" is this program.
	Program string
}

const (
	defaultTimeout = 30 * time.Second
	leastParallel  = 4
	mostParallel   = 1024
	queued         = 64 // checks that wait for each that is under way
	maxName        = 1024
)

// check finds what is wrong with the options.
func (o Options) check() error {
	switch {
	case o.Parallel < 0 || o.Parallel > mostParallel:
		return fmt.Errorf("options: parallel %d is not 0 to %d", o.Parallel, mostParallel)
	case o.Timeout < 0:
		return errors.New("options: the timeout is negative (0 is the default)")
	case o.Folder != "" && (!filepath.IsAbs(o.Folder) || len(o.Folder) > maxString || strings.Contains(o.Folder, "\x00")):
		return fmt.Errorf("options: folder %.80q is not an absolute path", o.Folder)
	case o.Program != "" && !filepath.IsAbs(o.Program):
		return fmt.Errorf("options: program %.80q is not an absolute path", o.Program)
	case o.Service != "":
		return hasStack(o.Folder, o.Service)
	}
	return nil
}

// programOf is the program of the children. What Linux calls exe is this one even when
// another has been installed in its place.
func programOf(o Options) (string, error) {
	const exe = "/proc/self/exe"
	if o.Program != "" {
		return o.Program, nil
	}
	if _, err := os.Stat(exe); err == nil {
		return exe, nil
	}
	return os.Executable()
}
