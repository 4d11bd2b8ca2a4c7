package bdb

import (
	"fmt"

	"github.com/saslkit/saslkit/internal/dbm"
)

const (
	itemData          = 1
	itemDuplicate     = 2
	itemOffPage       = 3
	itemOffDuplicates = 4
	itemBlob          = 5

	offPageSize = 12 // bytes of an item that refers to an overflow chain
)

// An item is a key or a value as it lies on a hash page, its type in front. The
// bytes alias the file; there is at least one.
type item struct {
	page  uint32
	entry int // counted from 0
	bytes []byte
}

// damaged says what is wrong with the item: "entry 3 …".
func (it item) damaged(format string, args ...any) *dbm.DamageError {
	return damaged(it.page, "entry %d %s", it.entry, fmt.Sprintf(format, args...))
}

// A claim marks an overflow page as taken by the item being read. It answers
// false if the page was taken before.
type claim func(page uint32) bool

// key returns the key that an item holds. A key that is on the page aliases the
// file, another one is the caller's.
func (f *File) key(it item, take claim) ([]byte, *dbm.DamageError) {
	switch it.bytes[0] {
	case itemData:
		return it.bytes[1:], nil
	case itemOffPage:
		return f.offPage(it, take)
	case itemDuplicate:
		return nil, it.damaged("has duplicates for a key")
	case itemOffDuplicates:
		return nil, it.damaged("has off-page duplicates, which are not read")
	case itemBlob:
		return nil, it.damaged("refers to a blob outside of the file")
	}
	return nil, it.damaged("is of unknown type %d", it.bytes[0])
}

// value does the same for a value. Of duplicates it returns the first.
func (f *File) value(it item, take claim) ([]byte, *dbm.DamageError) {
	if it.bytes[0] == itemDuplicate {
		return f.firstDuplicate(it)
	}
	return f.key(it, take)
}

// firstDuplicate returns the first of the values in it, after looking whether they
// all are what they should be: length, bytes, length.
func (f *File) firstDuplicate(it item) (first []byte, err *dbm.DamageError) {
	if f.flags&(flagDuplicates|flagSortedDups) == 0 {
		return nil, it.damaged("has duplicates, which the metadata does not allow")
	}
	for rest := it.bytes[1:]; len(rest) > 0 || first == nil; {
		if len(rest) < 4 {
			return nil, it.damaged("ends in the middle of a duplicate")
		}
		n := int(f.order.Uint16(rest))
		if len(rest) < n+4 || int(f.order.Uint16(rest[2+n:])) != n {
			return nil, it.damaged("has a duplicate whose two lengths differ")
		}
		if first == nil {
			first = rest[2 : 2+n : 2+n]
		}
		rest = rest[n+4:]
	}
	return first, nil
}

// offPageLength returns how many bytes an off-page item says it refers to.
func (f *File) offPageLength(it item) (n uint32, ok bool) {
	if it.bytes[0] != itemOffPage || len(it.bytes) != offPageSize {
		return 0, false
	}
	return f.order.Uint32(it.bytes[8:]), true
}

// offPage collects the bytes of an overflow chain. Neither the length in the item
// nor the chain is believed alone: both must end together. Memory grows with the
// pages that are there, never with the length that is claimed.
func (f *File) offPage(it item, take claim) ([]byte, *dbm.DamageError) {
	total, ok := f.offPageLength(it)
	if !ok {
		return nil, it.damaged("is an off-page reference of %d bytes, expected %d", len(it.bytes), offPageSize)
	}
	content := []byte{}
	for n := f.order.Uint32(it.bytes[4:]); ; {
		p, data, err := f.overflowPage(n)
		if err != nil {
			return nil, it.damaged("is off-page and lost: page %d: %s", err.Number, err.Reason)
		}
		if end := uint64(len(content)) + uint64(len(data)); end > uint64(total) {
			return nil, it.damaged("is off-page and lost: page %d ends at its byte %d of %d", n, end, total)
		}
		if !take(n) {
			return nil, it.damaged("is off-page and lost: page %d was met before", n)
		}
		content = append(content, data...)
		if n = p.next; n == 0 {
			break
		}
	}
	if uint64(len(content)) != uint64(total) {
		return nil, it.damaged("is off-page and lost: its pages end at byte %d of %d", len(content), total)
	}
	return content, nil
}

// overflowPage returns a page that must be an overflow page, and its data.
func (f *File) overflowPage(n uint32) (page, []byte, *dbm.DamageError) {
	p, err := f.page(n)
	if err != nil {
		return page{}, nil, err
	}
	data, err := f.overflowData(p)
	return p, data, err
}
