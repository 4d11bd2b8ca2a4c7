package sasldb

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
)

// CheckWritable finds out, when a service starts, whether the file at path can be
// changed later: it takes the lock, makes a temporary file with the owner and
// rights of the database, and removes it. The error is the one that Edit would
// give, matching ErrNotWritable if the place is wrong; its text names the cure. A
// file that is missing is an error that matches [fs.ErrNotExist].
func CheckWritable(ctx context.Context, path string) error {
	ctx, cancel := WriteOptions{}.bounded(ctx)
	defer cancel()
	t, err := openTarget(ctx, path)
	if err != nil {
		return err
	}
	defer t.close()
	c := committer{target: t}
	old, err := c.read(ctx)
	if err != nil {
		return err
	}
	defer old.close()
	if t.isMount() {
		return t.trouble(&fs.PathError{Op: "rename", Path: path, Err: syscall.EBUSY})
	}
	if _, err := c.encode(old, old.records); err != nil {
		return err
	}
	f, name, err := t.temporary()
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(c.dress(f, old), t.dir.Remove(name))
}
