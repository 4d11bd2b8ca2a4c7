package lmdb

import "github.com/saslkit/saslkit/internal/dbm"

const (
	metaPages = 2 // pages 0 and 1
	// maxDepth is how deep liblmdb goes.
	maxDepth = 32
)

// A meta is what a metadata page says.
type meta struct {
	page        uint32 // 0 or 1
	mapSize     uint64 // bytes
	free, main  tree
	last        uint64 // the last page ever in use
	transaction uint64
}

// A tree is the record of a B-tree.
type tree struct {
	pad      uint32 // in the free tree the page size
	flags    uint16
	depth    uint16
	branches uint64 // pages
	leaves   uint64 // pages
	overflow uint64 // pages
	entries  uint64
	root     uint64
}

// Kinds of pages.
const (
	kindBranch   = 1
	kindLeaf     = 2
	kindOverflow = 4
	kindMeta     = 8
)

// readMeta reads page 0 or 1. What it returns without an error has a main tree
// that can be gone through.
func (f *File) readMeta(n uint32) (meta, *dbm.DamageError) {
	if n >= f.pages {
		return meta{}, damaged(n, "past the end of the file, and should be metadata")
	}
	b := f.cut(n)
	r := reader{f.layout, b}
	number, _, kind, _ := r.number(), r.uint16(), r.uint16(), r.uint32()
	mark, v := r.uint32(), r.uint32()
	switch {
	case number != uint64(n):
		return meta{}, damaged(n, "says that it is page %d", number)
	case kind&kindMeta == 0:
		return meta{}, damaged(n, "kind is %#x, expected %#x (metadata)", kind, kindMeta)
	case mark != magic || v != version:
		return meta{}, damaged(n, "magic is %#x and version %d, expected %#x and %d", mark, v, uint32(magic), version)
	}
	r.number() // address
	m := meta{page: n, mapSize: r.number(), free: r.tree(), main: r.tree(), last: r.number(), transaction: r.number()}
	if m.free.pad != uint32(f.pageSize) {
		return meta{}, damaged(n, "page size is %d, on page 0 it is %d", m.free.pad, f.pageSize)
	}
	if err := f.checkTree(&m, &m.main, "main"); err != nil {
		return meta{}, err
	}
	return m, nil
}

// checkTree compares a record with itself and with the last page.
func (f *File) checkTree(m *meta, t *tree, name string) *dbm.DamageError {
	empty := t.root == f.none()
	switch {
	case empty != (t.depth == 0) || empty != (t.entries == 0):
		return damaged(m.page, "the %s tree has %d entries in depth %d, yet its root is %#x", name, t.entries, t.depth, t.root)
	case empty:
		return nil
	case t.depth > maxDepth:
		return damaged(m.page, "the %s tree has depth %d, the format ends at %d", name, t.depth, maxDepth)
	case t.root < metaPages || t.root > m.last || t.root >= uint64(f.pages):
		return damaged(m.page, "the root of the %s tree is page %d; the last is page %d, the file has %d", name, t.root, m.last, f.pages)
	}
	return nil
}

// append writes the page, header included, behind b.
func (m *meta) append(b []byte, l layout) []byte {
	b = l.appendNumber(b, uint64(m.page))
	b = l.order.AppendUint16(b, 0)
	b = l.order.AppendUint16(b, kindMeta)
	b = l.order.AppendUint32(b, 0)
	b = l.order.AppendUint32(b, magic)
	b = l.order.AppendUint32(b, version)
	b = l.appendNumber(b, 0)
	b = l.appendNumber(b, m.mapSize)
	b = m.free.append(b, l)
	b = m.main.append(b, l)
	b = l.appendNumber(b, m.last)
	return l.appendNumber(b, m.transaction)
}

func (t *tree) append(b []byte, l layout) []byte {
	b = l.order.AppendUint32(b, t.pad)
	b = l.order.AppendUint16(b, t.flags)
	b = l.order.AppendUint16(b, t.depth)
	for _, n := range []uint64{t.branches, t.leaves, t.overflow, t.entries, t.root} {
		b = l.appendNumber(b, n)
	}
	return b
}

// A reader reads the fields of a structure one after the other. The caller has
// checked the length.
type reader struct {
	layout
	rest []byte
}

func (r *reader) take(n int) []byte {
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uint16() uint16 { return r.order.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return r.order.Uint32(r.take(4)) }
func (r *reader) number() uint64 { return r.layout.number(r.take(r.word)) }

func (r *reader) tree() tree {
	return tree{
		pad:      r.uint32(),
		flags:    r.uint16(),
		depth:    r.uint16(),
		branches: r.number(),
		leaves:   r.number(),
		overflow: r.number(),
		entries:  r.number(),
		root:     r.number(),
	}
}
