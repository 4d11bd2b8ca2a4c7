package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Write writes files into a folder, which is made if it is missing.
func Write(folder string, files []File) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(folder, f.Name), []byte(f.Text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Date reads SOURCE_DATE_EPOCH, in seconds since 1970: the time of the sources, so that
// equal sources give equal pages. The zero time is none.
func Date(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH=%q is not a number of seconds", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
