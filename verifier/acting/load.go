package acting

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Load reads the rules of a file. It must be a regular file that not everybody may
// write, for who writes it acts as whom he likes. The file is not followed: a change
// counts when it is loaded again. Errors are those of Parse, *fs.PathError, or of the
// kind of file; all name the path.
func Load(path string, o Options) (*Rules, error) {
	// Without O_NONBLOCK a FIFO would hold us until somebody writes to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, loadError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = checkFile(info)
	}
	if err != nil {
		return nil, loadError(path, err)
	}
	return Parse(path, f, o)
}

func loadError(path string, err error) error {
	var system *os.PathError
	if errors.As(err, &system) {
		return fmt.Errorf("acting: %w", err)
	}
	return fmt.Errorf("acting: %s: %w", path, err)
}
