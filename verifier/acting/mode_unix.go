//go:build unix

package acting

import (
	"errors"
	"io/fs"
)

func checkFile(info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return errors.New("is not a regular file")
	case info.Mode().Perm()&0o002 != 0:
		return errors.New("everybody may write it, and so act as anybody (chmod o-w)")
	}
	return nil
}
