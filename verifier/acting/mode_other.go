//go:build !unix

package acting

import (
	"errors"
	"io/fs"
)

// checkFile does not look at the mode, which is made up where files have access lists.
func checkFile(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("is not a regular file")
	}
	return nil
}
