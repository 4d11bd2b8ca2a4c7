package bdb

import (
	"fmt"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

const (
	pageChecksumAt = 28

	typeFree     = 0
	typeUnsorted = 2
	typeOverflow = 7
	typeSorted   = 13
)

func typeName(t byte) string {
	switch t {
	case typeFree:
		return "free"
	case typeUnsorted, typeSorted:
		return "hash"
	case typeOverflow:
		return "overflow"
	case metaPageType:
		return "hash metadata"
	}
	return fmt.Sprintf("unknown type %d", t)
}

// A page is any page but the metadata. Its bytes alias the file.
type page struct {
	number     uint32
	bytes      []byte
	prev, next uint32
	entries    int
	low        int // as on the page: 65536 is 0
	level, typ byte
	hole       bool // zero from end to end: never used
}

func (p *page) isHash() bool { return p.typ == typeUnsorted || p.typ == typeSorted }

// cutPage reads the header of a page of this file without judging it.
func (f *File) cutPage(n uint32) page {
	size := int(f.pageSize)
	b := f.data[int(n)*size:][:size:size]
	return page{
		number:  n,
		bytes:   b,
		prev:    f.order.Uint32(b[12:]),
		next:    f.order.Uint32(b[16:]),
		entries: int(f.order.Uint16(b[20:])),
		low:     int(f.order.Uint16(b[22:])),
		level:   b[24],
		typ:     b[25],
	}
}

// page returns page n if it is in the file, its checksum holds, and it knows its
// own number: a page that says it is another one was written to a wrong place.
func (f *File) page(n uint32) (page, *dbm.DamageError) {
	if n == 0 {
		return page{}, damaged(n, "is the metadata, yet referred to")
	}
	if n >= f.pages {
		return page{}, damaged(n, "past the end of the file, page %d is the last", f.pages-1)
	}
	p := f.cutPage(n)
	own := f.order.Uint32(p.bytes[8:])
	if p.typ == typeFree && own == 0 && allZero(p.bytes) {
		p.hole = true
		return p, nil
	}
	if f.checksummed {
		if sum, want := checksum(p.bytes, pageChecksumAt), f.order.Uint32(p.bytes[pageChecksumAt:]); sum != want {
			return page{}, damaged(n, "checksum is %#08x, the page says %#08x", sum, want)
		}
	}
	if own != n {
		return page{}, damaged(n, "says that it is page %d", own)
	}
	return p, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// items appends the items of a hash page to into, keys and values in turn, each
// at least one byte. If one is out of its place the page has no items: there is
// no telling which of its neighbours is wrong.
func (f *File) items(p page, into []item) ([]item, *dbm.DamageError) {
	header, end := f.headerSize(), len(p.bytes)
	floor := header + 2*p.entries
	if floor > end {
		return nil, damaged(p.number, "%d entries do not fit into %d bytes", p.entries, end)
	}
	into = slices.Grow(into, p.entries)
	for i := range p.entries {
		offset := int(f.order.Uint16(p.bytes[header+2*i:]))
		if offset < floor {
			return nil, damaged(p.number, "entry %d begins at byte %d, the first %d are taken", i, offset, floor)
		}
		if offset >= end {
			return nil, damaged(p.number, "entry %d begins at byte %d of %d", i, offset, end)
		}
		into = append(into, item{p.number, i, p.bytes[offset:end:end]})
		end = offset
	}
	return into, nil
}

// checkCount compares the number of entries with what else the page says: an
// entry more or less than there was goes unnoticed otherwise. The items are
// sound nevertheless.
func (f *File) checkCount(p page, items []item) *dbm.DamageError {
	if len(items)%2 != 0 {
		return damaged(p.number, "%d entries, a key has no value", len(items))
	}
	low := len(p.bytes)
	for _, it := range items {
		low -= len(it.bytes)
	}
	if low&0xffff != p.low { // an empty page of 65536 bytes says 0
		return damaged(p.number, "items begin at byte %d, the header says %d", low, p.low)
	}
	return nil
}

// overflowData returns the bytes that an overflow page carries, one at least.
func (f *File) overflowData(p page) ([]byte, *dbm.DamageError) {
	header := f.headerSize()
	switch {
	case p.hole:
		return nil, damaged(p.number, "zero from end to end, expected overflow")
	case p.typ != typeOverflow:
		return nil, damaged(p.number, "type is %s, expected overflow", typeName(p.typ))
	case p.low == 0 || p.low > len(p.bytes)-header:
		return nil, damaged(p.number, "%d bytes of data, expected 1 to %d", p.low, len(p.bytes)-header)
	}
	return p.bytes[header : header+p.low], nil
}
