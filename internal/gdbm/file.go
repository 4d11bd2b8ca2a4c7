package gdbm

import "github.com/saslkit/saslkit/internal/dbm"

// A File is a whole GDBM file in memory, its header checked. It implements
// dbm.File.
type File struct {
	header
	data []byte
}

// Open checks the header of a file whose whole content is data. The File keeps
// data and never writes to it; the caller must not either while the File, or a
// record from it, is in use.
//
// The error is a *dbm.FormatError if the file is of another kind, and a
// *dbm.DamageError if nothing of it can be believed. A file that was cut short
// behind its directory is opened; Records and Verify tell what is missing.
func Open(data []byte) (*File, error) {
	h, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	return &File{header: h, data: data}, nil
}

// Layout returns what a new file must share with this one. For the chars, which
// only the hashes of keys show, it reads the whole file; they are UsualChars if
// all keys are ASCII.
func (f *File) Layout() Layout {
	l := f.layout()
	c := newCollector(f)
	c.collect()
	l.Chars = c.chars()
	return l
}

// Rewrite implements dbm.File. The counter of a Numsync file goes up by one.
func (f *File) Rewrite(records []dbm.Record) ([]byte, error) {
	b, err := newBuilder(f.Layout())
	if err != nil {
		return nil, err
	}
	b.numsync = f.numsync + 1
	b.maxDirSize = max(b.maxDirSize, f.dirSize(f.dirBits))
	return b.build(records)
}
