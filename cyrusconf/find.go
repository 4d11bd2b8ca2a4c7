package cyrusconf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// A SearchPath are the folders in which a file is searched, the first one first.
// Files that cannot be opened are passed over, as Cyrus does.
type SearchPath []string

// ParseSearchPath reads folders separated by colons, as Postfix's
// cyrus_sasl_config_path and the variable SASL_CONF_PATH have them. A caller that
// obeys the variable does so only if real and effective ids are the same.
func ParseSearchPath(list string) SearchPath {
	var p SearchPath
	for _, dir := range filepath.SplitList(list) {
		if dir != "" { // which is not the working folder
			p = append(p, dir)
		}
	}
	return p
}

// LibraryPath returns where libsasl2 searches if the application does not say: the
// folders of Debian's build in its order (planted files, 2.1.28), which are RHEL's
// and those of a build by hand too; on FreeBSD its own.
func LibraryPath() SearchPath { return libraryPath(runtime.GOOS) }

func libraryPath(goos string) SearchPath {
	if goos == "freebsd" {
		return SearchPath{"/usr/local/lib/sasl2"}
	}
	p := SearchPath{"/etc/sasl2", "/etc/sasl"}
	modules, _ := filepath.Glob("/usr/lib/*/sasl2") // named for the architecture
	p = append(p, modules...)
	return append(p, "/usr/lib64/sasl2", "/usr/lib/sasl2", "/usr/local/lib/sasl2")
}

// DebianPostfixPath returns where Debian's Postfix searches, whose main.cf is in the
// folder given: in the folder sasl beside it and in /usr/lib/sasl, and nowhere else.
// Its callback for the library goes before cyrus_sasl_config_path, which therefore
// has no effect (opened files, Postfix 3.7.11 of Debian 12).
func DebianPostfixPath(configDirectory string) SearchPath {
	return SearchPath{filepath.Join(configDirectory, "sasl"), "/usr/lib/sasl"}
}

// A NotFoundError says that an application has no file, or none that can be
// opened. It matches [fs.ErrNotExist].
type NotFoundError struct {
	App    string
	Places []Place
}

// A Place is where a file was searched, and why it was not taken.
type Place struct {
	Path string
	Err  error
}

// Error names every place that was searched, and why it was not taken.
func (e *NotFoundError) Error() string {
	var places []string
	for _, p := range e.Places {
		place := p.Path
		if !errors.Is(p.Err, fs.ErrNotExist) {
			place += " (" + reason(p.Err) + ")"
		}
		places = append(places, place)
	}
	if places == nil {
		return fmt.Sprintf("cyrusconf: %s.conf: no folder to search (name one, or the file)", e.App)
	}
	return fmt.Sprintf("cyrusconf: %s.conf: not found as %s (make the file in one of these places, or name it by its path)", e.App, strings.Join(places, ", "))
}

// Unwrap returns [fs.ErrNotExist].
func (e *NotFoundError) Unwrap() error { return fs.ErrNotExist }

// reason is an error without the path, which stands before it.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// Find returns the path of an application's file, "smtpd" for smtpd.conf: the first
// that can be opened. If there is none the error is a [*NotFoundError].
func (p SearchPath) Find(app string) (string, error) {
	file, err := p.open(app)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return file.Name(), nil
}

// Load reads an application's file, "smtpd" for smtpd.conf. The errors are those of
// [SearchPath.Find] and of [Parse].
func (p SearchPath) Load(app string) (*File, error) {
	file, err := p.open(app)
	if err != nil {
		return nil, err
	}
	return read(file)
}

// LoadFile reads a file by its path. The errors are those of the file system, and of
// [Parse].
func LoadFile(path string) (*File, error) {
	file, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("cyrusconf: %w", err)
	}
	return read(file)
}

// read closes the file.
func read(file *os.File) (*File, error) {
	defer file.Close()
	f, err := Parse(file.Name(), file)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("cyrusconf: %w", err)
	}
	f.Mode = info.Mode()
	return f, nil
}

func (p SearchPath) open(app string) (*os.File, error) {
	if app == "" || strings.ContainsAny(app, "/\x00") {
		return nil, fmt.Errorf("cyrusconf: %q is no name of an application (without a slash; for a file by its path use LoadFile)", app)
	}
	missing := &NotFoundError{App: app}
	for _, dir := range p {
		path := filepath.Join(dir, app+".conf")
		file, err := open(path)
		if err == nil {
			return file, nil
		}
		missing.Places = append(missing.Places, Place{path, err})
	}
	return nil, missing
}

// open does not wait for somebody to write to a FIFO.
func open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	return file, nil
}
