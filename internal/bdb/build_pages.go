package bdb

import "slices"

// write fills the allocated pages, the metadata last.
func (b *builder) write(pairs uint32) {
	for i, leaves := range b.buckets {
		b.writeBucket(1+uint32(i), leaves)
	}
	b.writeMeta(pairs)
}

// take returns the number of a page behind those of the buckets.
func (b *builder) take() uint32 {
	b.next++
	return b.next - 1
}

func (b *builder) page(n uint32) []byte {
	size := int(b.PageSize)
	return b.file[int(n)*size:][:size]
}

// writeMeta writes page 0. All doublings have their pages in a row from page 1.
func (b *builder) writeMeta(pairs uint32) {
	n := uint32(len(b.buckets))
	m := meta{
		version:     b.Version,
		pageSize:    b.PageSize,
		checksummed: b.Checksummed,
		last:        b.next - 1,
		maxBucket:   n - 1,
		highMask:    n - 1,
		lowMask:     (n - 1) >> 1,
		pairs:       pairs,
		probe:       hashKey(probeKey),
		order:       b.order,
	}
	for i := 0; uint64(1)<<i <= uint64(n); i++ {
		m.spares[i] = 1
	}
	page := b.page(0)
	m.put(page)
	if b.Checksummed {
		b.order.PutUint32(page[metaChecksumAt:], checksum(page[:metaSize], metaChecksumAt))
	}
}

// writeBucket writes the chain of a bucket, the first page being first.
func (b *builder) writeBucket(first uint32, leaves bucket) {
	var prev uint32
	for n := first; len(leaves) > 0; leaves = leaves[1:] {
		var next uint32
		if len(leaves) > 1 {
			next = b.take()
		}
		b.writeLeaf(leaves[0], header{number: n, prev: prev, next: next})
		prev, n = n, next
	}
}

// A header is what all pages but the first begin with.
type header struct {
	number, prev, next uint32
	entries, low       int
	typ                byte
}

// seal writes the header of a page whose content is complete.
func (b *builder) seal(h header) {
	page := b.page(h.number)
	b.order.PutUint32(page[4:], 1) // log sequence number 0, 1: not logged
	b.order.PutUint32(page[8:], h.number)
	b.order.PutUint32(page[12:], h.prev)
	b.order.PutUint32(page[16:], h.next)
	b.order.PutUint16(page[20:], uint16(h.entries))
	b.order.PutUint16(page[22:], uint16(h.low)) // 65536 becomes 0, as it should
	page[25] = h.typ
	if b.Checksummed {
		b.order.PutUint32(page[pageChecksumAt:], checksum(page, pageChecksumAt))
	}
}

// writeLeaf writes a hash page: the table of offsets upwards from the header, the
// items downwards from the end.
func (b *builder) writeLeaf(l *leaf, h header) {
	slices.SortFunc(l.pairs, func(x, y pair) int { return compareKeys(x.pageKey(), y.pageKey()) })
	page := b.page(h.number)
	h.low = len(page)
	put := func(content []byte, offPage bool) {
		h.low -= itemSize(content, offPage)
		b.writeItem(page[h.low:], content, offPage)
		b.order.PutUint16(page[b.headerSize()+2*h.entries:], uint16(h.low))
		h.entries++
	}
	for _, p := range l.pairs {
		put(p.Key, p.offKey)
		put(p.Value, p.offValue)
	}
	h.typ = typeSorted
	if b.Version < 9 {
		h.typ = typeUnsorted // older versions do not know the other
	}
	b.seal(h)
}

// writeItem writes an item, and its overflow pages if it has any, at the start of
// space.
func (b *builder) writeItem(space, content []byte, offPage bool) {
	if !offPage {
		space[0] = itemData
		copy(space[1:], content)
		return
	}
	space[0] = itemOffPage
	b.order.PutUint32(space[4:], b.writeOverflow(content))
	b.order.PutUint32(space[8:], uint32(len(content)))
}

// writeOverflow writes content, which is not empty, to pages of its own and
// returns the first.
func (b *builder) writeOverflow(content []byte) (first uint32) {
	first = b.take()
	h := header{number: first, entries: 1, typ: typeOverflow}
	for {
		h.low = copy(b.page(h.number)[b.headerSize():], content)
		if content = content[h.low:]; len(content) == 0 {
			b.seal(h)
			return first
		}
		h.next = b.take()
		b.seal(h)
		h.number, h.prev, h.next = h.next, h.number, 0
	}
}
