package sasldb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/lmdb"
)

// An original is a file about to be replaced, as it was read. It stays open, for
// programs that have opened it too may write to it after it lost its name.
type original struct {
	f       *os.File // nil: there is no file
	info    fs.FileInfo
	data    []byte
	format  Format
	file    dbm.File // nil: no file, or an empty one
	records recordList
	leased  bool // now
	locked  bool // now
	sure    bool // nobody was writing when data was read
	// discarded: nothing of it goes into the new file, whatever is done to it.
	discarded bool
}

var (
	errHeld    = errors.New("held open for writing by another program")
	errNoLease = errors.New("no lease")
)

func (o *original) exists() bool { return o.f != nil }

func (o *original) close() {
	if o.f != nil {
		o.f.Close() // and with it lease and lock
	}
}

// holds reports whether the list is that of the file: patched with nothing.
func (o *original) holds(next recordList) bool {
	return o.file != nil && len(next) == len(o.records) && (len(next) == 0 || &next[0] == &o.records[0])
}

// read reads the file that the name stands for, when nobody writes to it.
func (c *committer) read(ctx context.Context) (*original, error) {
	return c.open(func(o *original) error { return o.load(ctx, c.path) })
}

// glance is read without parsing: what is there may be anything.
func (c *committer) glance(ctx context.Context) (*original, error) {
	return c.open(func(o *original) error { return o.readHeld(ctx, c.path) })
}

// open opens the file, unless there is none and may be one made, and loads it.
func (c *committer) open(load func(*original) error) (*original, error) {
	f, err := c.dir.OpenFile(c.name, os.O_RDONLY|openSafely, 0)
	if errors.Is(err, fs.ErrNotExist) && c.Create {
		return &original{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sasldb: %s: %w%s", c.path, err, cure(err))
	}
	o := &original{f: f}
	if err = load(o); err == nil {
		err = mayReplace(o.info, c.path)
	}
	if err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// tornPauses: without a lease a file that is being written to looks damaged.
const tornPauses = 10 * time.Millisecond

// load reads and parses the file. What looks damaged while somebody may be writing
// is read again.
func (o *original) load(ctx context.Context, path string) error {
	for {
		err := o.readHeld(ctx, path)
		if err == nil {
			err = o.parse(path)
		}
		if err == nil {
			err = o.settled(path)
		}
		if !errors.Is(err, ErrDamaged) || o.sure {
			return err
		}
		// Perhaps it is only being written to.
		if pause(ctx, tornPauses) != nil {
			return err
		}
		if same, failed := hasContent(o.f, o.data); failed == nil && same {
			return err
		}
	}
}

func (o *original) parse(path string) (err error) {
	o.file, o.records = nil, nil
	if len(o.data) == 0 {
		return nil // as libdb has it: a database to be
	}
	if o.file, o.format, err = open(path, o.data); err != nil {
		return err
	}
	records, damage := o.file.Records()
	if damage != nil {
		all := damages(path, damage)
		return fmt.Errorf("%w (a damaged file is not changed: export what is sound and import it into a new one)", all[0])
	}
	o.records = records
	return nil
}

// settled makes sure that what was read of an LMDB file is one state of it.
func (o *original) settled(path string) error {
	f, ok := o.file.(*lmdb.File)
	if !ok {
		return nil
	}
	head := make([]byte, f.HeadSize())
	if _, err := o.f.ReadAt(head, 0); err != nil || !f.Settled(head) {
		return fmt.Errorf("sasldb: %s: changed while it was read: %w", path, ErrDamaged)
	}
	return nil
}

// readHeld reads the file while others are kept from writing to it, and no longer.
func (o *original) readHeld(ctx context.Context, path string) (err error) {
	if err := o.hold(ctx, path, shared); err != nil {
		return err
	}
	defer o.letGo()
	o.sure = o.leased || o.locked
	if o.info, err = o.f.Stat(); err != nil {
		return err
	}
	if err := mayRead(o.info, path); err != nil {
		return err
	}
	if o.data, err = readAll(o.f, o.info.Size()); err != nil {
		return fmt.Errorf("sasldb: %s: %w", path, err)
	}
	return nil
}

// mayReplace refuses what a new file cannot take the place of.
func mayReplace(info fs.FileInfo, path string) error {
	if n := links(info); n > 1 {
		return fmt.Errorf("sasldb: %s: %w: it has %d hard links, and the others would keep the old content (make them symbolic links, or copies that are renewed)", path, ErrNotWritable, n)
	}
	return nil
}

// readAll reads from the beginning to the end, wherever that is now.
func readAll(f *os.File, size int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(size) + 512)
	_, err := b.ReadFrom(io.NewSectionReader(f, 0, MaxFile+1))
	return b.Bytes(), err
}

// hasContent reports whether a file has this content, reading through a small buffer.
func hasContent(f *os.File, data []byte) (bool, error) {
	r := io.NewSectionReader(f, 0, MaxFile+1)
	b := make([]byte, 1<<16)
	for {
		n, err := r.Read(b)
		if n > len(data) || !bytes.Equal(b[:n], data[:n]) {
			return false, nil
		}
		data = data[n:]
		if err == io.EOF {
			return len(data) == 0, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// hold waits until nobody has the file open for writing, and keeps others from
// opening it so: a GDBM file by its own lock, any file by a lease if there are
// leases. Without one it holds nothing, and others are noticed by what they wrote.
func (o *original) hold(ctx context.Context, path string, how lockMode) error {
	head := make([]byte, sniffSize)
	n, _ := o.f.ReadAt(head, 0)
	switch formatOf(head[:n]) {
	case GDBM:
		// Its library never waits for its lock but fails: not to be held long.
		if err := waitLock(ctx, o.f, path, how); err != nil {
			return err
		}
		o.locked = true
	case LMDB:
		return nil // programs have it open all the time; see settled
	}
	for {
		err := takeLease(o.f)
		switch {
		case err == nil:
			o.leased = true
			return nil
		case errors.Is(err, errNoLease):
			return nil
		case !errors.Is(err, errHeld):
			o.letGo()
			return fmt.Errorf("sasldb: %s: %w", path, err)
		}
		if late := pause(ctx, lockPause); late != nil {
			o.letGo()
			return busy(path, err)
		}
	}
}

func (o *original) letGo() {
	if o.leased {
		_ = dropLease(o.f) // it would end with the descriptor
		o.leased = false
	}
	if o.locked {
		_ = unlock(o.f)
		o.locked = false
	}
}

// unchanged compares the file that is held, and the one that has its name, with
// what was read.
func (o *original) unchanged(t *target) error {
	if !t.isNow(o.f, t.name) {
		return errChanged
	}
	if same, err := hasContent(o.f, o.data); err != nil || !same {
		return errors.Join(errChanged, err)
	}
	info, err := o.f.Stat()
	if err != nil {
		return err
	}
	// Its rights may have been narrowed: the new file must follow.
	if info.Mode() != o.info.Mode() || !sameOwner(info, o.info) || links(info) > 1 {
		return errChanged
	}
	return nil
}

// late waits until nobody has the replaced file open for writing, for lateWait at
// most, and returns what was done to it since it was read. What cannot be
// read was not finished, and so was promised to nobody.
func (o *original) late() edits {
	if !o.exists() || o.discarded {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lateWait)
	defer cancel()
	if o.hold(ctx, "", shared) != nil {
		return nil // still at it: the window that the package comment tells of
	}
	defer o.letGo()
	if same, err := hasContent(o.f, o.data); err != nil || same {
		return nil
	}
	data, err := readAll(o.f, o.info.Size())
	now := original{data: data}
	if err != nil || len(data) == 0 || now.parse("") != nil {
		return nil
	}
	return diff(o.records, now.records)
}
