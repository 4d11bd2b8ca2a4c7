package gdbm

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A Layout is what the machine and the options of a file's maker decide, and what
// a new file must share with the old one for libgdbm to open it. The zero value is
// the layout of a file made by libgdbm on a 64-bit PC.
type Layout struct {
	BlockSize uint32 // bytes, a power of two from 512 to 2^28; 0 means 4096
	Variant   Variant
	Width     Width
	BigEndian bool  // order of the bytes in integers
	Chars     Chars // in the hashes of keys
}

// A Variant is what the magic number says besides the width.
type Variant uint8

const (
	Standard Variant = iota // libgdbm's default
	Numsync                 // "extended": with a counter of synchronizations, libgdbm 1.21
	Original                // of old libraries, whose magic number does not tell the width
)

// A Width is how the compiler of the file's maker laid out file offsets.
type Width uint8

const (
	Offsets64       Width = iota // 8 bytes, at multiples of 8: all but the next two
	Offsets64Packed              // 8 bytes, at multiples of 4: 32-bit x86
	Offsets32                    // 4 bytes: a libgdbm without support of large files
)

// magics are the first 4 bytes of a file, in its byte order.
var magics = []struct {
	magic   uint32
	variant Variant
	widths  []Width // the number of slots in a bucket tells which
}{
	{0x13579ace, Original, []Width{Offsets64, Offsets64Packed, Offsets32}},
	{0x13579acd, Standard, []Width{Offsets32}},
	{0x13579acf, Standard, []Width{Offsets64, Offsets64Packed}},
	{0x13579ad0, Numsync, []Width{Offsets32}},
	{0x13579ad1, Numsync, []Width{Offsets64, Offsets64Packed}},
}

const magicSize = 4

// sniff tells byte order, variant and the widths that may be, none if the file is
// of another format.
func sniff(head []byte) (order binary.ByteOrder, v Variant, widths []Width) {
	if len(head) < magicSize {
		return nil, 0, nil
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, m := range magics {
			if m.magic == order.Uint32(head) {
				return order, m.variant, m.widths
			}
		}
	}
	return nil, 0, nil
}

// Is reports whether a file begins as a GDBM file does; 4 bytes are enough.
func Is(head []byte) bool {
	_, _, widths := sniff(head)
	return widths != nil
}

func (l Layout) magic() uint32 {
	for _, m := range magics {
		if m.variant == l.Variant && slices.Contains(m.widths, l.Width) {
			return m.magic
		}
	}
	panic("gdbm: no magic number for a layout that was checked")
}

func (l Layout) order() binary.ByteOrder {
	if l.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

const (
	minBlockSize = 512
	maxBlockSize = 1 << 28
)

func soundBlockSize(n uint32) bool {
	return n >= minBlockSize && n <= maxBlockSize && n&(n-1) == 0
}

// withDefaults replaces zeros and checks the rest.
func (l Layout) withDefaults() (Layout, error) {
	if l.BlockSize == 0 {
		l.BlockSize = 4096
	}
	if l.Chars == UsualChars {
		l.Chars = usualChars(l.order())
	}
	switch {
	case !soundBlockSize(l.BlockSize):
		return l, fmt.Errorf("gdbm: build: block size %d, expected a power of two from %d to %d", l.BlockSize, minBlockSize, maxBlockSize)
	case l.Variant > Original || l.Width > Offsets32 || l.Chars > UnsignedChars:
		return l, fmt.Errorf("gdbm: build: layout %+v is not known", l)
	}
	return l, nil
}

// A shape is where the fields of the structs are. See the tables in doc.go.
type shape struct {
	offset int // bytes of a file offset
	align  int // it lies at multiples of so many bytes
}

var shapes = [...]shape{
	Offsets64:       {8, 8},
	Offsets64Packed: {8, 4},
	Offsets32:       {4, 4},
}

const (
	numsyncSize  = 32      // bytes between header and free space in Numsync files
	minDirBits   = 3       // libgdbm begins with 8 entries and doubles them
	maxDirSize   = 1 << 30 // bytes; libgdbm doubles a directory up to this
	maxRecord    = 1<<31 - 1
	bucketAvails = 6 // elements of free space in a bucket
	ignoredSize  = 4 // bytes of free space of which libgdbm keeps no account
	nextAvailAt  = 8 // in a table of free space, where the next one's offset is

	// In a slot, whose hash comes first.
	emptySlot    = 1<<32 - 1 // instead of a hash
	keyStartAt   = 4
	keyStartSize = 4
	recordAt     = 8 // the offset of the record; the lengths of key and value follow
)

func (s shape) headerSize() int { return 24 + 2*s.offset }

// availAt returns where in block 0 the table of free space is.
func (s shape) availAt(v Variant) int {
	if v == Numsync {
		return s.headerSize() + numsyncSize
	}
	return s.headerSize()
}

// availHead and availSize return the bytes of a table of free space before its
// elements, and of an element.
func (s shape) availHead() int { return nextAvailAt + s.offset }
func (s shape) availSize() int { return s.align + s.offset }

// availElems returns how many elements the table in block 0 has.
func (s shape) availElems(v Variant, blockSize uint32) uint32 {
	return uint32((int(blockSize) - s.availAt(v) - s.availHead()) / s.availSize())
}

// bitsAt returns where in a bucket its bits are; its count and its slots follow.
func (s shape) bitsAt() int   { return s.align + bucketAvails*s.availSize() }
func (s shape) slotsAt() int  { return s.bitsAt() + 8 }
func (s shape) slotSize() int { return 16 + s.offset }

// bucketElems returns how many slots a bucket has.
func (s shape) bucketElems(blockSize uint32) uint32 {
	return uint32((int(blockSize) - s.slotsAt()) / s.slotSize())
}

// dirBits returns those of the smallest directory, which fills a block.
func (s shape) dirBits(blockSize uint32) uint32 {
	bits := uint32(minDirBits)
	for s.dirSize(bits) < uint64(blockSize) {
		bits++
	}
	return bits
}

func (s shape) dirSize(bits uint32) uint64 { return uint64(s.offset) << bits }

// getOffset and putOffset read and write a file offset. One that is negative in C
// is beyond every file.
func (s shape) getOffset(order binary.ByteOrder, b []byte) uint64 {
	if s.offset == 4 {
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

func (s shape) putOffset(order binary.ByteOrder, b []byte, v uint64) {
	if s.offset == 4 {
		order.PutUint32(b, uint32(v))
		return
	}
	order.PutUint64(b, v)
}
