package acting

import (
	"errors"
	"fmt"
	"os"
)

// Load reads the rules of a file. It must be a regular file that not everybody may
// write, for who writes it acts as whom he likes. The file is not followed: a change
// counts when it is loaded again. Errors are those of Parse, *fs.PathError, or of the
// kind of file; all name the path.
func Load(path string, o Options) (*Rules, error) {
	info, err := os.Stat(path) // before it is opened, for a FIFO would hold us
	if err == nil {
		err = checkFile(info)
	}
	if err != nil {
		return nil, loadError(path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, loadError(path, err)
	}
	defer f.Close()
	return Parse(path, f, o)
}

func loadError(path string, err error) error {
	var system *os.PathError
	if errors.As(err, &system) {
		return fmt.Errorf("acting: %w", err)
	}
	return fmt.Errorf("acting: %s: %w", path, err)
}
