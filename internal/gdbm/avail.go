package gdbm

import "iter"

// Free space is told in tables: one in block 0, one in each bucket, and when the
// first became full, halves of it in a chain of blocks anywhere. libgdbm from 1.15
// on looks at a table before it uses the file or bucket that has it, and refuses
// either for one bad element.

// A piece is an element of a table: free bytes of the file.
type piece struct {
	at   uint64
	size uint32
}

// pieces gives the elements of a table.
func (f *File) pieces(table []byte, count uint32) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		for i := range int(count) {
			b := table[i*f.availSize():]
			if !yield(piece{f.getOffset(f.order, b[f.align:]), f.order.Uint32(b)}) {
				return
			}
		}
	}
}

// soundPiece has libgdbm's limits.
func (f *File) soundPiece(p piece) bool {
	return p.at >= uint64(f.blockSize) && p.size <= maxRecord && p.at <= f.next && uint64(p.size) <= f.next-p.at
}

// soundTable reports whether all elements of a table are sound.
func (f *File) soundTable(table []byte, count uint32) bool {
	for p := range f.pieces(table, count) {
		if !f.soundPiece(p) {
			return false
		}
	}
	return true
}

// An availTable is a table of free space with the offset of the next one.
type availTable struct {
	size, count uint32 // elements that it could have, and has
	next        uint64
	elems       []byte
}

func (f *File) cutAvailTable(b []byte) availTable {
	return availTable{
		size:  f.order.Uint32(b),
		count: f.order.Uint32(b[4:]),
		next:  f.getOffset(f.order, b[nextAvailAt:]),
		elems: b[f.availHead():],
	}
}

// headTable returns the table of block 0.
func (f *File) headTable() availTable {
	return f.cutAvailTable(f.data[f.availAt(f.variant):f.blockSize])
}

// checkAvailTable looks at the table of block 0: libgdbm opens no file that has a
// bad one.
func (w *walk) checkAvailTable() {
	t, elems := w.headTable(), w.availElems(w.variant, w.blockSize)
	switch {
	case t.size != elems || t.count > elems:
		w.faults.Add(damagedHeader("the table of free space has %d of %d elements, expected up to %d", t.count, t.size, elems))
	case !w.soundTable(t.elems, t.count):
		w.faults.Add(damagedHeader("the table of free space leads out of the file"))
	}
}

// bucketTable returns the table of a bucket and how many elements it says it has.
func (f *File) bucketTable(b *bucket) (table []byte, count uint32) {
	return b.bytes[f.align:f.bitsAt()], f.order.Uint32(b.bytes)
}

// checkAvailOf looks at the table of a bucket.
func (w *walk) checkAvailOf(b *bucket) {
	table, count := w.bucketTable(b)
	if count > bucketAvails {
		w.faults.Add(damagedBucket(b.first, "the table of free space has %d elements, expected up to %d", count, bucketAvails))
	} else if !w.soundTable(table, count) {
		w.faults.Add(damagedBucket(b.first, "the table of free space leads out of the file"))
	}
}

// chainedTable returns one of the tables that follow that of block 0, if it is
// sound. It has half the bytes of the elements of the first, and room for one more.
func (v *verifier) chainedTable(at uint64) (availTable, bool) {
	half := int(v.availElems(v.variant, v.blockSize)) * v.availSize() / 2
	size, elems := uint64(v.availHead()+half+v.availSize()), uint32(half/v.availSize()+1)
	if end := uint64(len(v.data)); at > end || end-at < size {
		v.fault("a table of free space begins at byte %d, the file ends at byte %d", at, end)
		return availTable{}, false
	}
	if !v.used.add(at, at+size) {
		v.fault("a table of free space at byte %d overlaps something, or was met before", at)
		return availTable{}, false
	}
	t := v.cutAvailTable(v.data[at : at+size])
	if t.size < 2 || t.count > t.size || t.count > elems || !v.soundTable(t.elems, t.count) {
		v.fault("the table of free space at byte %d, of %d elements, is broken", at, t.count)
		return availTable{}, false
	}
	v.extents = append(v.extents, extent{at, at + size, freeTable})
	return t, true
}
