package sasldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/saslkit/saslkit/internal/dbm"
)

// ErrInPlace: the change is in the file, but what should have followed failed: it
// may not survive a power failure, or another program's change is lost.
var ErrInPlace = errors.New("sasldb: the change is in place, but not all is well")

// A change decides, given the content of the file, what to do to it. It may be
// called again with other content.
type change func(base recordList) (edits, error)

// commit changes the file at path by replacing it. The order of the steps is that
// of the package comment.
func commit(ctx context.Context, path string, o WriteOptions, decide change) error {
	ctx, cancel := o.bounded(ctx)
	defer cancel()
	t, err := openTarget(ctx, path)
	if err != nil {
		return err
	}
	defer t.close()
	c := committer{target: t, WriteOptions: o}
	old, next, err := c.replace(ctx, c.read, func(old *original) (recordList, error) {
		es, err := decide(old.records)
		return old.records.patch(es), err
	})
	if err != nil || old == nil {
		return err
	}
	defer old.close()
	return c.conclude(old, next, decide)
}

// bounded ends the context when the wait is over.
func (o WriteOptions) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.Wait == 0 {
		o.Wait = defaultWait
	}
	return context.WithTimeout(ctx, o.Wait)
}

// conclude does what is left once the new file has the name of the old one.
func (c *committer) conclude(old *original, next recordList, decide change) error {
	err := c.sync()
	refusal, lateErr := c.mergeLate(old, next, decide)
	if err := errors.Join(err, lateErr); err != nil {
		return fmt.Errorf("sasldb: %s: %w: %w", c.path, ErrInPlace, err)
	}
	return refusal
}

// A committer carries out one commit. It holds the lock.
type committer struct {
	*target
	WriteOptions
	convert bool // the new file has WriteOptions.Format, whatever the old one has
}

// errChanged: another program was quicker; read again.
var errChanged = errors.New("changed meanwhile")

// A reading is how a file is read before it is replaced: read or glance.
type reading func(context.Context) (*original, error)

// replace reads the file, has new content composed, and puts that in its place. It
// starts over if the file was changed meanwhile. It returns what was replaced,
// still open, and the records that are there now; nil if nothing had to be done.
func (c *committer) replace(ctx context.Context, read reading, compose func(old *original) (recordList, error)) (*original, recordList, error) {
	for {
		old, err := read(ctx)
		if err != nil {
			return nil, nil, err
		}
		next, err := compose(old)
		if err == nil && old.holds(next) {
			old.close()
			return nil, next, nil
		}
		if err == nil {
			err = c.put(ctx, old, next)
		}
		if err == nil {
			return old, next, nil
		}
		old.close()
		if !errors.Is(err, errChanged) {
			return nil, nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, busy(c.path, err)
		}
	}
}

// put writes a new file and gives it the name of the old one.
func (c *committer) put(ctx context.Context, old *original, next recordList) error {
	data, err := c.encode(old, next)
	if err != nil {
		return err
	}
	f, name, err := c.temporary()
	if err != nil {
		return err
	}
	defer f.Close()
	err = c.fill(f, old, data)
	if err == nil {
		err = c.swap(ctx, old, name)
	}
	if err != nil {
		c.dir.Remove(name)
	}
	return err
}

// encode builds the new file in memory, in the layout of the old one, and reads it
// back from there.
func (c *committer) encode(old *original, next recordList) ([]byte, error) {
	format, build := c.Format, formats[c.Format].build
	if old.file != nil && !c.convert {
		format, build = old.format, old.file.Rewrite
	}
	data, err := build(next)
	if err != nil {
		var refused *dbm.FormatError
		if errors.As(err, &refused) {
			return nil, &fileError{c.path, err, ErrNotWritable}
		}
		return nil, &fileError{c.path, err, ErrRecord} // there is no other reason
	}
	return data, validate(c.path, format, data, next)
}

// validate makes sure that exactly these records can be read from data.
func validate(path string, format Format, data []byte, want recordList) error {
	f, err := formats[format].open(data)
	if err != nil {
		return fmt.Errorf("sasldb: %s: the new file would not be readable: %w", path, err)
	}
	there := newFingerprint()
	expected := there
	if damage := f.Scan(there.add); damage != nil {
		return fmt.Errorf("sasldb: %s: the new file would be damaged: %w", path, damage)
	}
	for _, r := range want {
		expected.add(r.Key, r.Value)
	}
	if there != expected {
		return fmt.Errorf("sasldb: %s: the new file would hold %d records that are not the %d expected", path, there.count, expected.count)
	}
	return nil
}

// fill writes the temporary file, reads it back and makes it durable.
func (c *committer) fill(f *os.File, old *original, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return c.trouble(err)
	}
	same, err := hasContent(f, data)
	if err == nil && !same {
		err = errors.New("what was written reads differently")
	}
	if err != nil {
		return c.trouble(err)
	}
	if err := c.dress(f, old); err != nil {
		return err
	}
	if err := f.Sync(); err != nil { // the pages may be gone: never tried again
		return c.trouble(err)
	}
	return nil
}

// dress gives the temporary file owner, attributes and mode, in that order: it is
// never open to more people than the old one, also not by the list that it may have
// from its folder.
func (c *committer) dress(f *os.File, old *original) error {
	if !old.exists() {
		mode := c.Mode
		if mode == 0 {
			mode = 0o600
		}
		if err := removeAccessList(f); err != nil {
			return c.trouble(err)
		}
		return f.Chmod(mode.Perm())
	}
	err := copyOwner(f, old.info)
	if err == nil {
		err = copyAttributes(f, old.f)
	}
	if err == nil {
		err = f.Chmod(old.info.Mode().Perm())
	}
	if err != nil {
		return fmt.Errorf("sasldb: %s: %w: the new file cannot be given the owner and rights of the old: %w (run as the owner or as root)", c.path, ErrNotWritable, err)
	}
	return nil
}

// swap makes sure that the old file is still what was read, keeps others from
// opening it for writing, and renames.
func (c *committer) swap(ctx context.Context, old *original, temporary string) error {
	if !old.exists() {
		err := c.renameNew(temporary, c.name)
		if errors.Is(err, fs.ErrExist) {
			return errChanged
		}
		return c.wrap(err)
	}
	if err := old.hold(ctx, c.path, exclusive); err != nil {
		return err
	}
	defer old.letGo()
	if err := old.unchanged(c.target); err != nil {
		return err
	}
	return c.wrap(c.dir.Rename(temporary, c.name))
}

func (c *committer) wrap(err error) error {
	if err == nil {
		return nil
	}
	return c.trouble(err)
}

const (
	// lateWait is how long a program that opened the old file before it was
	// replaced may take to finish with it. saslpasswd2 takes a millisecond and then
	// syncs, for seconds where the disk is busy.
	lateWait = 5 * time.Second
	// lateRounds bounds how often that may go on with the files put in place since.
	lateRounds = 8
)

// mergeLate takes over what another program wrote into the file that was replaced,
// because it had opened it before. What it did there comes before our change,
// which is decided again on top of it; what has been done to the new file since
// comes after both. If it is now decided against our change that is taken back, and
// the refusal returned.
func (c *committer) mergeLate(old *original, next recordList, decide change) (refusal, err error) {
	late := old.late()
	if late == nil {
		return nil, nil
	}
	ctx, cancel := c.bounded(context.Background())
	defer cancel()
	base := old.records.patch(late)
	old, next, err = c.replace(ctx, c.read, func(now *original) (recordList, error) {
		since := diff(next, now.records)
		es, err := decide(base)
		refusal = err
		return base.patch(es).patch(since), nil
	})
	for range lateRounds {
		if err != nil || old == nil {
			break
		}
		late := old.late()
		old.close()
		if late == nil {
			break
		}
		old, next, err = c.replace(ctx, c.read, func(now *original) (recordList, error) { return now.records.patch(late), nil })
	}
	if err != nil {
		return nil, fmt.Errorf("what another program wrote at the same time is lost: %w", err)
	}
	return refusal, c.sync()
}
