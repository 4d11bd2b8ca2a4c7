package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/saslkit/saslkit/cyrusconf"
)

// oldConf reads the file of a tool of Cyrus SASL as that does: from the folders of
// SASL_CONF_PATH, or else where libsasl2 looks; a file that is missing sets nothing.
// A program that runs with the rights of another user than its caller's ignores the
// variable.
func oldConf(app string) (*cyrusconf.File, error) {
	p := cyrusconf.LibraryPath()
	if list := os.Getenv("SASL_CONF_PATH"); list != "" && os.Getuid() == os.Geteuid() && os.Getgid() == os.Getegid() {
		p = cyrusconf.ParseSearchPath(list)
	}
	f, err := p.Load(app)
	if errors.Is(err, fs.ErrNotExist) {
		return &cyrusconf.File{}, nil
	}
	return f, err
}
