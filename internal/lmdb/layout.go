package lmdb

import "encoding/binary"

const (
	magic   = 0xbeefc0de
	version = 1

	minPageSize = 256
	// maxPageSize is liblmdb's own limit: in version 1 the offset behind the last
	// byte of a page must fit into 16 bits.
	maxPageSize = 32768
)

// A layout is what the machine that made a file decided.
type layout struct {
	order    byteOrder
	word     int // bytes of a size_t, 4 or 8
	pageSize int // bytes
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// machines are the layouts that are read, but for the page size. They were seen from
// liblmdb on x86-64, s390x, i386 and powerpc.
var machines = [...]layout{
	{order: binary.LittleEndian, word: 8},
	{order: binary.BigEndian, word: 8},
	{order: binary.LittleEndian, word: 4},
	{order: binary.BigEndian, word: 4},
}

// header is the size of a page's header, and the offset of what follows it.
func (l layout) header() int { return l.word + 8 }

// metaSize is the size of the metadata with the header before them.
func (l layout) metaSize() int { return l.header() + 8 + 4*l.word + 2*l.recordSize() }

// recordSize is the size of a tree's record.
func (l layout) recordSize() int { return 8 + 5*l.word }

// none is the root of an empty tree.
func (l layout) none() uint64 { return uint64(1)<<(8*l.word) - 1 }

// nodeMax is the size of the largest node; a larger one has a big value.
func (l layout) nodeMax() int { return (l.pageSize-l.header())/2&^1 - 2 }

// runPages returns how many pages a big value needs.
func (l layout) runPages(size uint32) uint64 {
	return (uint64(l.header())-1+uint64(size))/uint64(l.pageSize) + 1
}

// number reads a word.
func (l layout) number(b []byte) uint64 {
	if l.word == 4 {
		return uint64(l.order.Uint32(b))
	}
	return l.order.Uint64(b)
}

func (l layout) appendNumber(b []byte, n uint64) []byte {
	if l.word == 4 {
		return l.order.AppendUint32(b, uint32(n))
	}
	return l.order.AppendUint64(b, n)
}

// machineOf finds the layout, but for the page size, whose magic is in its place.
func machineOf(head []byte) (layout, bool) {
	for _, l := range machines {
		if at := l.header(); len(head) >= at+4 && l.order.Uint32(head[at:]) == magic {
			return l, true
		}
	}
	return layout{}, false
}

// Is reports whether a file begins as an LMDB file does; 20 bytes are enough.
func Is(head []byte) bool {
	_, ok := machineOf(head)
	return ok
}

// layoutOf reads the layout from the first page of a file.
func layoutOf(data []byte) (layout, error) {
	l, ok := machineOf(data)
	if !ok {
		return l, refused("the file is not an LMDB file")
	}
	if len(data) < l.metaSize() {
		return l, damaged(0, "the file ends at byte %d, the metadata take %d", len(data), l.metaSize())
	}
	if v := l.order.Uint32(data[l.header()+4:]); v != version {
		return l, refused("version %d is unknown, %d is read", v, version)
	}
	size := l.order.Uint32(data[l.header()+8+2*l.word:])
	if size < minPageSize || size > maxPageSize || size&(size-1) != 0 {
		return l, damaged(0, "page size is %d, expected a power of two from %d to %d", size, minPageSize, maxPageSize)
	}
	l.pageSize = int(size)
	return l, nil
}
