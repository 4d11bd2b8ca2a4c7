package lmdb

import "github.com/saslkit/saslkit/internal/dbm"

// flagsOfFree are those that liblmdb gives the free tree of a file that is opened
// by its own name rather than its folder's: numbers for keys, and this.
const flagsOfFree = 0x4008

// write fills the file, which has as many pages.
func (b *builder) write(pages uint64) {
	for _, l := range b.leaves {
		b.writeLeaf(l)
	}
	for _, level := range b.levels {
		for _, p := range level {
			b.writeBranch(p)
		}
	}
	b.writeMetas(pages)
}

// writeMetas writes both metadata pages as after the first transaction. liblmdb
// would have left page 0 as it was before, empty. A reader who finds page 1 broken
// would then see no users at all, so both tell of the tree.
func (b *builder) writeMetas(pages uint64) {
	size := uint64(b.pageSize)
	m := meta{
		mapSize: max(minMapSize, 2*pages*size),
		free:    tree{pad: uint32(b.pageSize), flags: flagsOfFree, root: b.none()},
		main:    b.main,
		last:    pages - 1,
	}
	for n := range uint32(metaPages) {
		m.page, m.transaction = n, uint64(n)
		m.append(b.page(uint64(n))[:0], b.layout)
	}
}

func (b *builder) page(n uint64) []byte {
	return b.file[int(n)*b.pageSize:][:b.pageSize:b.pageSize]
}

// writeHeader writes the header of a page but for its last field.
func (b *builder) writeHeader(n uint64, kind uint16) {
	page := b.appendNumber(b.page(n)[:0], n)
	page = b.order.AppendUint16(page, 0)
	b.order.AppendUint16(page, kind)
}

// A sheet is a page with nodes while it is written: offsets upwards from the
// header, nodes downwards from the end.
type sheet struct {
	layout
	page         []byte
	lower, upper int
}

func (b *builder) sheet(n uint64, kind uint16) *sheet {
	b.writeHeader(n, kind)
	s := &sheet{layout: b.layout, page: b.page(n), lower: b.header(), upper: b.pageSize}
	return s
}

// add writes a node: size or number, flags, key and what follows it.
func (s *sheet) add(low uint32, flags uint16, key, data []byte) {
	s.upper -= even(nodeHeader + len(key) + len(data))
	node := s.order.AppendUint32(s.page[s.upper:s.upper], low)
	node = s.order.AppendUint16(node, flags)
	node = s.order.AppendUint16(node, uint16(len(key)))
	node = append(node, key...)
	_ = append(node, data...)
	s.order.PutUint16(s.page[s.lower:], uint16(s.upper))
	s.lower += 2
}

// seal writes the two limits to the header, once all nodes are there.
func (s *sheet) seal() {
	s.order.PutUint16(s.page[s.header()-4:], uint16(s.lower))
	s.order.PutUint16(s.page[s.header()-2:], uint16(s.upper))
}

func (b *builder) writeLeaf(l leaf) {
	s := b.sheet(l.number, kindLeaf)
	for _, r := range l.records {
		if b.isBig(r) {
			number := b.appendNumber(nil, b.writeRun(r))
			s.add(uint32(len(r.Value)), nodeBig, r.Key, number)
		} else {
			s.add(uint32(len(r.Value)), 0, r.Key, r.Value)
		}
	}
	s.seal()
}

// writeRun writes a big value and returns its first page.
func (b *builder) writeRun(r dbm.Record) uint64 {
	pages := b.runPages(uint32(len(r.Value)))
	first := b.next
	b.next += pages
	b.writeHeader(first, kindOverflow)
	b.order.PutUint32(b.page(first)[b.header()-4:], uint32(pages))
	copy(b.file[int(first)*b.pageSize+b.header():], r.Value)
	return first
}

func (b *builder) writeBranch(p branch) {
	s := b.sheet(p.number, kindBranch)
	for i, c := range p.children {
		key := c.key
		if i == 0 {
			key = nil // not looked at
		}
		s.add(uint32(c.number), uint16(c.number>>32), key, nil)
	}
	s.seal()
}
