//go:build !unix

package sasldb

import (
	"io/fs"
	"os"
)

// Without flock files are not changed on this system; see tryLock.

const (
	openSafely   = 0
	openNoFollow = 0
)

func copyOwner(*os.File, fs.FileInfo) error { return nil }

func sameOwner(_, _ fs.FileInfo) bool { return true }

func isMine(fs.FileInfo) bool { return true }

func links(fs.FileInfo) int { return 1 }
