package gdbm

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// header is what block 0 says and somebody needs. See the tables in doc.go.
type header struct {
	shape
	order     binary.ByteOrder
	variant   Variant
	width     Width
	blockSize uint32
	dir       uint64 // offset of the directory
	dirBits   uint32
	elems     uint32 // slots in a bucket
	next      uint64 // where the file ends
	numsync   uint32 // counter, Numsync only
}

// parseHeader reads block 0. It returns a *dbm.FormatError for what is no GDBM
// file and a *dbm.DamageError for what is broken. The limits are those of
// libgdbm, which does not open a file that goes beyond them.
func parseHeader(data []byte) (header, error) {
	if len(data) < magicSize {
		return header{}, damagedHeader("the file ends at byte %d", len(data))
	}
	order, variant, widths := sniff(data)
	if widths == nil {
		return header{}, &dbm.FormatError{Format: format, Reason: "the file is not a GDBM database"}
	}
	if len(data) < minBlockSize {
		return header{}, damagedHeader("the file ends at byte %d, a block has %d at least", len(data), minBlockSize)
	}
	blockSize := order.Uint32(data[4:])
	if !soundBlockSize(blockSize) {
		return header{}, damagedHeader("block size is %d, expected a power of two from %d to %d", blockSize, minBlockSize, maxBlockSize)
	}
	i := slices.IndexFunc(widths, func(w Width) bool {
		s := shapes[w]
		return order.Uint32(data[20+s.offset:]) == s.bucketElems(blockSize)
	})
	if i < 0 {
		s := shapes[widths[0]]
		return header{}, damagedHeader("buckets have %d slots, expected %d", order.Uint32(data[20+s.offset:]), s.bucketElems(blockSize))
	}
	h := header{shape: shapes[widths[i]], order: order, variant: variant, width: widths[i], blockSize: blockSize}
	if err := h.cut(data); err != nil {
		return header{}, err
	}
	return h, nil
}

// cut reads and checks the rest of the header of a file whose block size and width
// are known.
func (h *header) cut(data []byte) error {
	size, o := h.offset, h.order
	h.dir = h.getOffset(o, data[8:])
	h.dirBits = o.Uint32(data[12+size:])
	h.elems = o.Uint32(data[20+size:])
	h.next = h.getOffset(o, data[24+size:])
	if h.variant == Numsync {
		h.numsync = o.Uint32(data[h.headerSize()+4:])
	}
	dirSize, bucketSize, end := o.Uint32(data[8+size:]), o.Uint32(data[16+size:]), uint64(len(data))
	switch {
	case h.dirBits < h.shape.dirBits(h.blockSize) || h.dirBits > hashBits || h.dirSize(h.dirBits) > maxDirSize:
		return damagedHeader("the directory has 2^%d entries, expected 2^%d or more, up to %d bytes", h.dirBits, h.shape.dirBits(h.blockSize), maxDirSize)
	case h.dirSize(h.dirBits) != uint64(dirSize):
		return damagedHeader("the directory has %d bytes, expected %d for 2^%d entries", dirSize, h.dirSize(h.dirBits), h.dirBits)
	case bucketSize != h.blockSize:
		return damagedHeader("bucket size is %d, expected %d as for blocks", bucketSize, h.blockSize)
	case h.dir < uint64(h.blockSize) || h.dir >= end || end-h.dir <= uint64(dirSize):
		return damagedHeader("the directory begins at byte %d and has %d, the file ends at byte %d", h.dir, dirSize, end)
	}
	return nil
}

// put writes the header into block 0, which is zero. It is the reverse of
// parseHeader.
func (h *header) put(block []byte) {
	size, o := h.offset, h.order
	o.PutUint32(block, h.layout().magic())
	o.PutUint32(block[4:], h.blockSize)
	h.putOffset(o, block[8:], h.dir)
	o.PutUint32(block[8+size:], uint32(h.dirSize(h.dirBits)))
	o.PutUint32(block[12+size:], h.dirBits)
	o.PutUint32(block[16+size:], h.blockSize)
	o.PutUint32(block[20+size:], h.elems)
	h.putOffset(o, block[24+size:], h.next)
	if h.variant == Numsync {
		o.PutUint32(block[h.headerSize()+4:], h.numsync)
	}
	o.PutUint32(block[h.availAt(h.variant):], h.availElems(h.variant, h.blockSize))
}

// layout returns what the header tells of the layout, without the chars.
func (h *header) layout() Layout {
	return Layout{BlockSize: h.blockSize, Variant: h.variant, Width: h.width, BigEndian: isBig(h.order)}
}

// maxFile is the length in bytes at which offsets end.
func (s shape) maxFile() uint64 {
	if s.offset == 4 {
		return math.MaxInt32
	}
	return math.MaxInt64
}
