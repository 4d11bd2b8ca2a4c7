package lmdb

import (
	"bytes"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A File is a whole file in memory, its metadata checked. It may be used by
// several goroutines at a time.
type File struct {
	layout
	meta   // the one that counts
	data   []byte
	pages  uint32           // whole pages in data
	broken *dbm.DamageError // what is wrong with the other metadata page, or nil
}

var _ dbm.File = (*File)(nil)

// Open checks the metadata of a file whose whole content is data. The File keeps
// data and never writes to it; the caller must not either while the File, or a
// record from it, is in use.
//
// The error is a *dbm.FormatError if the file is of another kind or has a feature
// that is not read, and a *dbm.DamageError if nothing of it can be believed. If
// one metadata page is broken the other counts, which may tell of an older state;
// Records, Scan and Verify report that.
func Open(data []byte) (*File, error) {
	l, err := layoutOf(data)
	if err != nil {
		return nil, err
	}
	pages := uint64(len(data)) / uint64(l.pageSize)
	if pages >= 1<<32 {
		return nil, damaged(0, "the file has %d pages, %d are read", pages, uint64(1)<<32-1)
	}
	f := &File{layout: l, data: data, pages: uint32(pages)}
	if err := f.chooseMeta(); err != nil {
		return nil, err
	}
	if f.main.flags != 0 {
		return nil, refused("the database has flags %#x (duplicates, or keys in an order of their own), which is not read", f.main.flags)
	}
	return f, nil
}

// chooseMeta takes the metadata of the later transaction. liblmdb itself refuses a
// file of which one page is broken.
func (f *File) chooseMeta() error {
	first, err := f.readMeta(0)
	second, err2 := f.readMeta(1)
	switch {
	case err != nil && err2 != nil:
		return err
	case err != nil:
		f.meta, f.broken = second, err
	case err2 != nil:
		f.meta, f.broken = first, err2
	case first.transaction < second.transaction:
		f.meta = second
	default:
		f.meta = first
	}
	return nil
}

// HeadSize is how many bytes from the beginning of the file Settled wants.
func (f *File) HeadSize() int { return f.pageSize + f.metaSize() }

// Settled reports whether the data that Open was given are one state of the
// file, if they were read from front to back. The head is the beginning of the
// file, HeadSize bytes of it, read again when all the data had been read.
//
// Pages of a state are written to when two transactions have been committed after
// it, and the second of these writes its metadata where those of the state were.
// So the state was whole until now if its metadata are still there, byte for byte.
// That also tells if they were being written while they were read. If the answer
// is no, read the file again.
func (f *File) Settled(head []byte) bool {
	at := int(f.meta.page) * f.pageSize
	end := at + f.metaSize()
	return len(head) >= end && bytes.Equal(head[at:end], f.data[at:end])
}

// Rewrite implements dbm.File. It refuses: a program that has the file open keeps
// it so for its lifetime, and would go on with the old one.
func (f *File) Rewrite([]dbm.Record) ([]byte, error) {
	return nil, refused("LMDB files are not changed in place, because programs that have them open would go on with the old file (convert to a new one)")
}
