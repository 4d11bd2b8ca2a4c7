//go:build !(linux || openbsd || darwin || freebsd || netbsd)

package filestamp

import (
	"io/fs"
	"os"
	"time"
)

// A Stamp tells one content of a file from another, as far as this system lets us: a
// change that keeps size and modification time goes unnoticed.
type Stamp struct {
	size  int64
	mtime time.Time
}

// Modified is the time of modification.
func (s Stamp) Modified() time.Time { return s.mtime }

// Of returns the stamp of the file at path, following symbolic links. The error is
// an *fs.PathError.
func Of(path string) (Stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Stamp{}, err
	}
	return OfInfo(info), nil
}

// OfInfo returns the stamp of an open file.
func OfInfo(info fs.FileInfo) Stamp { return Stamp{info.Size(), info.ModTime()} }

// Size is the length of the file in bytes.
func (s Stamp) Size() int64 { return s.size }

// SameFile reports whether both stamps are of one file, which cannot be told here.
func (Stamp) SameFile(Stamp) bool { return false }

// Content is the stamp without what changes when a file loses its name.
func (s Stamp) Content() Stamp { return s }
