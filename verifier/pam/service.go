package pam

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxService bounds the name of a service, in bytes.
const maxService = 64

// validService reports whether a name can be that of a service: lower case, as libpam
// makes it, and no path to files elsewhere.
func validService(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_"
	return name != "" && len(name) <= maxService && strings.Trim(name, allowed) == ""
}

// systemFolders are where libpam looks for a service, here or on other systems.
var systemFolders = [...]string{"/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d", "/usr/share/pam.d", "/usr/local/etc/pam.d"}

// hasStack says whether a service has a stack of its own. Without, libpam takes that of
// "other", which refuses everybody: a mistake of ours would be a wrong password of theirs.
func hasStack(folder, service string) error {
	if !validService(service) {
		return fmt.Errorf("service %.80q: a name has 1 to %d of a to z, 0 to 9, - and _", service, maxService)
	}
	folders := systemFolders[:]
	if folder != "" {
		folders = []string{folder}
	}
	for _, f := range folders {
		if _, err := os.Stat(filepath.Join(f, service)); !errors.Is(err, fs.ErrNotExist) {
			return nil // what else may be wrong with it libpam finds out
		}
	}
	if folder == "" && isOneFile() {
		return nil
	}
	return fmt.Errorf("service %q has no file (make %s)", service, filepath.Join(folders[0], service))
}

// isOneFile reports whether all services are in pam.conf.
func isOneFile() bool {
	_, folder := os.Stat(systemFolders[0])
	_, file := os.Stat("/etc/pam.conf")
	return folder != nil && file == nil
}

var errPowerless = errors.New("not root, and /etc/shadow cannot be read: pam_unix would refuse everybody (run it as root or in group shadow)")

// powerless reports whether pam_unix is in the stack and has no way to passwords. In most
// stacks, Debian's common-auth among them, that is a wrong password to everybody.
func powerless(folder, service string) bool {
	if os.Geteuid() == 0 {
		return false
	}
	f, err := os.Open("/etc/shadow")
	if err == nil {
		f.Close()
	}
	return errors.Is(err, fs.ErrPermission) && usesUnix(folder, service)
}

// usesUnix reports whether pam_unix is in the stack of a service, or may be.
func usesUnix(folder, service string) bool {
	folders := systemFolders[:]
	if folder != "" {
		folders = []string{folder}
	}
	return mentionsUnix(folders, service, 0)
}

// Bounds of a stack that is looked through: libpam's own is 32 files deep.
const (
	maxIncludes = 8
	maxStack    = 64 << 10 // bytes of a file
)

func mentionsUnix(folders []string, name string, depth int) bool {
	if depth > maxIncludes {
		return true
	}
	for _, f := range folders {
		path := name
		if !filepath.IsAbs(name) {
			path = filepath.Join(f, name)
		}
		text, err := readStart(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return true
		}
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, "#")
			if strings.Contains(line, "pam_unix") {
				return true
			}
			if included := includedIn(line); included != "" && mentionsUnix(folders, included, depth+1) {
				return true
			}
		}
		return false
	}
	return isOneFile()
}

// includedIn is the file that a line includes; "" for none.
func includedIn(line string) string {
	words := strings.Fields(line)
	switch {
	case len(words) > 1 && words[0] == "@include":
		return words[1]
	case len(words) > 2 && (words[1] == "include" || words[1] == "substack"):
		return words[2]
	}
	return ""
}

func readStart(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStack))
	return string(b), err
}
