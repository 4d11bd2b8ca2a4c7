package cyrusconf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// searchPath are the folders that builds of Cyrus SASL search: Debian's in its
// order, then those of RHEL and of builds by hand. A star stands for Debian's
// architecture.
var searchPath = [...]string{
	"/etc/sasl2",
	"/etc/sasl",
	"/usr/lib/*/sasl2",
	"/usr/lib64/sasl2",
	"/usr/lib/sasl2",
	"/usr/local/lib/sasl2",
}

// Find returns the path of an application's file, "smtpd" for smtpd.conf: the first
// that can be opened in the folders of SASL_CONF_PATH, separated by colons, or of
// the usual ones if that is not set. A program that runs with the rights of another
// user than its caller's ignores the variable. False means that there is no file,
// and that everything has its default.
func Find(app string) (path string, ok bool) {
	if app == "" || strings.ContainsAny(app, "/\x00") {
		return "", false
	}
	for _, dir := range folders() {
		if dir == "" {
			continue // not the working folder
		}
		path := filepath.Join(dir, app+".conf")
		if file, err := open(path); err == nil {
			file.Close()
			return path, true
		}
	}
	return "", false
}

// Load reads an application's file; the zero File if there is none.
func Load(app string) (*File, error) {
	path, ok := Find(app)
	if !ok {
		return &File{}, nil
	}
	file, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("cyrusconf: %w", err)
	}
	defer file.Close()
	return Parse(path, file)
}

func folders() []string {
	if list := os.Getenv("SASL_CONF_PATH"); list != "" && os.Getuid() == os.Geteuid() && os.Getgid() == os.Getegid() {
		return filepath.SplitList(list)
	}
	var all []string
	for _, pattern := range searchPath {
		found, _ := filepath.Glob(pattern)
		all = append(all, found...)
	}
	return all
}

// open does not wait for somebody to write to a FIFO.
func open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return file, nil
}
