package sasldb

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Create writes a new Berkeley DB hash file as libdb 5.3 makes it, with mode
// 0600. It refuses a path at which there is anything, a dangling symbolic link
// included; the error matches [fs.ErrExist]. Records are only read. When it returns
// nil the file is durable; after an error there is no file, unless it matches
// ErrInPlace.
func Create(path string, records []Record) error {
	list := make([]dbm.Record, 0, len(records))
	for _, r := range records {
		key, err := r.key()
		if err != nil {
			return err
		}
		list = append(list, dbm.Record{Key: key, Value: r.Value})
	}
	if _, err := os.Lstat(path); err == nil {
		return taken(path)
	}
	return place(context.Background(), path, WriteOptions{Create: true}, func(old *original) (recordList, error) {
		if old.exists() {
			return nil, taken(path)
		}
		return list, nil
	})
}

// ConvertOptions say what Convert makes.
type ConvertOptions struct {
	Format Format // of the new file
	// Replace allows a file in the place of the new one, also the file that is
	// converted. The new one then has its owner, mode and attributes. An LMDB
	// file is not replaced: the programs that have it open would go on using it.
	Replace bool
	Mode    fs.FileMode   // as WriteOptions.Mode
	Wait    time.Duration // as WriteOptions.Wait
}

// A Conversion counts what Convert wrote.
type Conversion struct {
	Records int // all, foreign ones included
	Foreign int // those whose key is not authid NUL realm NUL property
}

// Convert writes all records of the file at from into a new file at to, of the
// given format. The new file is there whole or not at all. The errors are those of
// Read for from, and those of Edit for to.
func Convert(ctx context.Context, from, to string, o ConvertOptions) (n Conversion, err error) {
	w := WriteOptions{Create: true, Format: o.Format, Mode: o.Mode, Wait: o.Wait}
	err = place(ctx, to, w, func(old *original) (recordList, error) {
		if old.exists() && !o.Replace {
			return nil, taken(to)
		}
		if formatOf(old.data) == LMDB {
			return nil, fmt.Errorf("sasldb: %s: %w: it is an LMDB file, which programs keep open (convert to another name and change the configuration)", to, ErrNotWritable)
		}
		source, err := readSource(ctx, from)
		if err != nil {
			return nil, err
		}
		defer source.close()
		if old.discarded = !os.SameFile(source.info, old.info); !old.discarded {
			if !bytes.Equal(source.data, old.data) {
				return nil, errChanged
			}
			old.records = source.records
		}
		n = count(source.records)
		return source.records, nil
	})
	return n, err
}

func count(records recordList) (n Conversion) {
	n.Records = len(records)
	for _, r := range records {
		if _, _, _, ok := parseKey(r.Key); !ok {
			n.Foreign++
		}
	}
	return n
}

// readSource reads a file that is not going to be replaced.
func readSource(ctx context.Context, path string) (*original, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openSafely&^openNoFollow, 0)
	if err != nil {
		return nil, fmt.Errorf("sasldb: %w%s", err, cure(err))
	}
	o := &original{f: f}
	if err := o.load(ctx, path); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func taken(path string) error {
	return fmt.Errorf("sasldb: %w", &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist})
}

// place puts a new file of WriteOptions.Format at path. What is there is not parsed.
func place(ctx context.Context, path string, o WriteOptions, compose func(old *original) (recordList, error)) error {
	ctx, cancel := o.bounded(ctx)
	defer cancel()
	t, err := openTarget(ctx, path)
	if err != nil {
		return err
	}
	defer t.close()
	c := &committer{target: t, WriteOptions: o, convert: true}
	old, next, err := c.replace(ctx, c.glance, compose)
	if err != nil {
		return err
	}
	defer old.close()
	return c.conclude(old, next, func(recordList) (edits, error) { return nil, nil })
}
