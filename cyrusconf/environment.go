package cyrusconf

import (
	"errors"
	"io/fs"
	"os"
)

// Load reads an application's file from the folders of SASL_CONF_PATH, or of
// [LibraryPath] if that is not set; the zero File if there is none. A program that
// runs with the rights of another user than its caller's ignores the variable.
//
// Deprecated: it obeys the environment and does not miss a file. Use
// [SearchPath.Load].
func Load(app string) (*File, error) {
	p := LibraryPath()
	if list := os.Getenv("SASL_CONF_PATH"); list != "" && os.Getuid() == os.Geteuid() && os.Getgid() == os.Getegid() {
		p = ParseSearchPath(list)
	}
	f, err := p.Load(app)
	if errors.Is(err, fs.ErrNotExist) {
		return &File{}, nil
	}
	return f, err
}
