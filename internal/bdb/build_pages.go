package bdb

// write fills the allocated pages, the metadata last.
func (b *builder) write() {
	for bucket := range b.buckets {
		b.writeChain(1+bucket, b.fill(bucket))
	}
	b.writeMeta()
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
func (b *builder) writeMeta() {
	n := b.buckets
	m := meta{
		version:     b.Version,
		pageSize:    b.PageSize,
		checksummed: b.Checksummed,
		last:        b.next - 1,
		maxBucket:   n - 1,
		highMask:    n - 1,
		lowMask:     (n - 1) >> 1,
		pairs:       uint32(len(b.records)),
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

// writeChain writes the pages of a bucket, the first to page n.
func (b *builder) writeChain(n uint32, chain []leaf) {
	var prev uint32
	for i := range chain {
		var next uint32
		if i+1 < len(chain) {
			next = b.take()
		}
		b.writeLeaf(chain[i].records, header{number: n, prev: prev, next: next})
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
func (b *builder) writeLeaf(records []uint32, h header) {
	page := b.page(h.number)
	h.low = len(page)
	put := func(content []byte) {
		h.low -= b.itemSize(content)
		b.writeItem(page[h.low:], content)
		b.order.PutUint16(page[b.headerSize()+2*h.entries:], uint16(h.low))
		h.entries++
	}
	for _, i := range records {
		put(b.records[i].Key)
		put(b.records[i].Value)
	}
	h.typ = typeSorted
	if b.Version < 9 {
		h.typ = typeUnsorted // older versions do not know the other
	}
	b.seal(h)
}

// writeItem writes an item, and its overflow pages if it has any, at the start of
// space.
func (b *builder) writeItem(space, content []byte) {
	if !b.offPage(content) {
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
