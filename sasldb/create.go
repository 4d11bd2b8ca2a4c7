package sasldb

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/saslkit/saslkit/internal/bdb"
	"github.com/saslkit/saslkit/internal/dbm"
)

// Create writes a new Berkeley DB hash file as libdb 5.3 makes it, with mode
// 0600. It refuses a path at which there is anything, a dangling symbolic link
// included. Records are only read. When it returns nil the file is durable;
// after an error there is no file.
func Create(path string, records []Record) (err error) {
	pairs := make([]dbm.Record, 0, len(records))
	for _, r := range records {
		key, err := r.key()
		if err != nil {
			return err
		}
		pairs = append(pairs, dbm.Record{Key: key, Value: r.Value})
	}
	data, err := bdb.Build(pairs, bdb.Options{})
	if err != nil {
		return fmt.Errorf("sasldb: %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("sasldb: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(path)
			err = fmt.Errorf("sasldb: %w", err)
		}
	}()
	if err := file.Chmod(0o600); err != nil { // whatever the umask
		return err
	}
	if _, err := file.Write(data); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name in the directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
