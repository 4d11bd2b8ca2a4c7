package bdb

import (
	"encoding/binary"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A File is a whole hash file in memory, its metadata checked. It may be used by
// several goroutines at a time.
type File struct {
	meta
	data  []byte
	pages uint32           // whole pages in data, 1 at least
	cut   *dbm.DamageError // the file is shorter than it should be, or nil
}

// Open checks the metadata of a file whose whole content is data. The File keeps
// data and never writes to it; the caller must not either while the File, or a
// record from it, is in use.
//
// The error is a *dbm.FormatError if the file is of another kind or has a feature
// that is not read, and a *dbm.DamageError if nothing of it can be believed. A file
// that was cut short is opened; Records and Verify tell what is missing.
func Open(data []byte) (*File, error) {
	m, err := parseMeta(data)
	if err != nil {
		return nil, err
	}
	size, pageSize := uint64(len(data)), uint64(m.pageSize)
	if size < pageSize {
		return nil, damaged(0, "the file ends at byte %d of %d", size, pageSize)
	}
	if size/pageSize >= 1<<32 {
		return nil, damaged(0, "the file has %d pages, the format ends at %d", size/pageSize, uint64(1)<<32)
	}
	f := &File{meta: m, data: data, pages: uint32(size / pageSize)}
	if err := f.checkReach(); err != nil {
		return nil, err
	}
	f.checkLength()
	return f, nil
}

// checkReach compares the pages of the buckets with the end of the file, the real
// one or, if the file was cut, the one in the metadata.
func (f *File) checkReach() error {
	runs := f.bucketRuns()
	r := runs[len(runs)-1]
	if last := r.page + uint64(r.last-r.first); last > uint64(max(f.last, f.pages-1)) {
		return damaged(0, "bucket %d starts on page %d, the last page is %d", r.last, last, max(f.last, f.pages-1))
	}
	return nil
}

// checkLength notes what is missing at the end. A file that is longer than its
// metadata says is harmless.
func (f *File) checkLength() {
	if rest := len(f.data) % int(f.pageSize); rest != 0 {
		f.cut = damaged(f.pages, "the file ends at byte %d of %d", rest, f.pageSize)
	} else if f.last >= f.pages {
		f.cut = damaged(f.pages, "the file ends here, page %d should be the last", f.last)
	}
}

// A Layout is what a new file must share with the old one so that a program which
// opens the file twice by its name does not notice. The zero value is the layout
// of a file made by libdb 5.3 on a PC.
type Layout struct {
	Version     uint32 // 7, 8 or 9; 0 means 9. Version 10 is read only
	PageSize    uint32 // bytes, a power of two from 512 to 65536; 0 means 4096
	BigEndian   bool   // order of the bytes in integers
	Checksummed bool   // every page has a checksum; not in version 7
}

// Info is what the metadata tells about a file.
type Info struct {
	Layout
	Buckets    uint32 // 1 to 2^31
	Pages      uint32 // in the file, page 0 included; a last broken one excluded
	FillFactor uint32 // pairs per page at which libdb splits; 0: when it is full
	// Duplicates says that a key may have several values. Records and Lookup
	// give the first, as Cyrus SASL does, so a rewrite would lose the others.
	Duplicates bool
	// ForeignHash says that the file was made with a hash function of its
	// maker's own. Its records can be read, but a new one would be no use to
	// the maker.
	ForeignHash bool
}

// Info returns the facts about the file that a rewrite must keep or refuse.
func (f *File) Info() Info {
	return Info{
		Layout: Layout{
			Version:     f.version,
			PageSize:    f.pageSize,
			BigEndian:   f.order == binary.ByteOrder(binary.BigEndian),
			Checksummed: f.checksummed,
		},
		Buckets:     f.maxBucket + 1,
		Pages:       f.pages,
		FillFactor:  f.fillFactor,
		Duplicates:  f.flags&(flagDuplicates|flagSortedDups) != 0,
		ForeignHash: f.hash == nil,
	}
}

// Rewrite implements dbm.File. The fill factor of the old file is not kept. A key
// longer than a quarter of a page is taken only if this file has it already, see
// RefuseLongKeys. Files that may hold several values for a key, of which only the
// first would be left, or made with a foreign hash function, are refused.
func (f *File) Rewrite(records []dbm.Record) ([]byte, error) {
	info := f.Info()
	switch {
	case info.Duplicates:
		return nil, refused("duplicate keys are allowed in the file, which is not written (convert it)")
	case info.ForeignHash:
		return nil, refused("the file was made with an unknown hash function and is not written (convert it)")
	}
	if err := f.refuseNewLongKeys(records); err != nil {
		return nil, err
	}
	return Build(records, Options{Layout: info.Layout, LongKeys: KeepLongKeys})
}

// refuseNewLongKeys looks into the file only if there are long keys at all, which
// there hardly ever are. What a damaged file still has of them is kept.
func (f *File) refuseNewLongKeys(records []dbm.Record) error {
	isLong := func(r dbm.Record) bool { return len(r.Key) > int(f.pageSize)/4 }
	if !slices.ContainsFunc(records, isLong) {
		return nil
	}
	have := map[string]bool{}
	old, _ := f.Records()
	for _, r := range old {
		if isLong(r) {
			have[string(r.Key)] = true
		}
	}
	for _, r := range records {
		if isLong(r) && !have[string(r.Key)] {
			return longKeyError(r.Key, f.pageSize)
		}
	}
	return nil
}
