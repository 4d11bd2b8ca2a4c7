package lmdb

import (
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Flags of leaf nodes.
const (
	nodeBig        = 1
	nodeDatabase   = 2
	nodeDuplicates = 4

	nodeHeader = 8 // bytes
)

// A node is an entry of a branch or leaf page. Key and data alias the file.
type node struct {
	link
	child uint64 // of a branch node
	size  uint32 // of a leaf node's value
	flags uint16 // of a leaf node
	key   []byte
	data  []byte // what a leaf node has behind the key
}

// nodes appends the nodes of a branch or leaf page to into. If one is out of its
// place the page has no nodes: there is no telling which of its neighbours is
// wrong.
func (f *File) nodes(p page, into []node) ([]node, *dbm.DamageError) {
	header := f.header()
	if p.lower < header || p.lower%2 != 0 || p.lower > p.upper || p.upper > f.pageSize {
		return nil, damaged(p.number, "offsets end at byte %d and nodes begin at byte %d of %d", p.lower, p.upper, f.pageSize)
	}
	count, least := (p.lower-header)/2, 1
	if p.kind == kindBranch {
		least = 2
	}
	if count < least {
		return nil, damaged(p.number, "%d nodes, a %s has %d at least", count, kindName(p.kind), least)
	}
	into = slices.Grow(into, count)
	taken := 0
	for i := range count {
		offset := int(f.order.Uint16(p.bytes[header+2*i:]))
		if offset < p.upper || offset+nodeHeader > len(p.bytes) {
			return nil, damaged(p.number, "node %d begins at byte %d, expected %d to %d", i, offset, p.upper, len(p.bytes)-nodeHeader)
		}
		nd, size := f.node(p, i, p.bytes[offset:])
		if size > uint64(len(p.bytes)-offset) {
			return nil, damaged(p.number, "node %d ends at byte %d of %d", i, uint64(offset)+size, len(p.bytes))
		}
		into = append(into, nd)
		taken += int(size+1) &^ 1
	}
	// liblmdb leaves no gaps. An offset that is wrong, or a node that fell out of
	// the table, shows here.
	if p.upper+taken != len(p.bytes) {
		return nil, damaged(p.number, "nodes take %d bytes, there are %d", taken, len(p.bytes)-p.upper)
	}
	return into, nil
}

// node reads the node at the beginning of b and returns its size. If that is more
// than b has, the node has no key and no data.
func (f *File) node(p page, i int, b []byte) (nd node, size uint64) {
	// The halves of the number are swapped on big-endian machines, which makes
	// them one number on both.
	low, flags, keySize := f.order.Uint32(b), f.order.Uint16(b[4:]), f.order.Uint16(b[6:])
	nd = node{link: link{p.number, i}}
	size = nodeHeader + uint64(keySize)
	if p.kind == kindLeaf {
		nd.size, nd.flags = low, flags
		if flags == nodeBig {
			size += uint64(f.word)
		} else {
			size += uint64(low)
		}
	} else {
		nd.child = uint64(low)
		if f.word == 8 {
			nd.child |= uint64(flags) << 32
		}
	}
	if size <= uint64(len(b)) {
		key := nodeHeader + int(keySize)
		nd.key, nd.data = b[nodeHeader:key:key], b[key:size:size]
	}
	return nd, size
}

// isDatabase reports whether the value of a node is the record of a tree. It looks
// closely, for a user must not vanish because of one bit.
func (f *File) isDatabase(nd node) bool {
	if len(nd.data) != f.recordSize() {
		return false
	}
	r := reader{f.layout, nd.data}
	t := r.tree()
	return f.checkTree(&f.meta, &t, "named") == nil
}

// A run is the overflow pages of a value; there are none if it lies in its node.
type run struct {
	first, pages uint32
}

// value returns the value of a leaf node, and the pages that it takes.
func (f *File) value(nd node) ([]byte, run, *dbm.DamageError) {
	switch nd.flags {
	case 0:
		return nd.data, run{}, nil
	case nodeBig:
		return f.bigValue(nd)
	case nodeDatabase:
		return nil, run{}, nd.damaged("is a named database without a record of its tree")
	case nodeDuplicates, nodeDuplicates | nodeDatabase:
		return nil, run{}, nd.damaged("has duplicates, which the database does not allow")
	}
	return nil, run{}, nd.damaged("has unknown flags %#x", nd.flags)
}

func (f *File) bigValue(nd node) ([]byte, run, *dbm.DamageError) {
	p, err := f.page(nd.link, f.number(nd.data), kindOverflow)
	if err != nil {
		return nil, run{}, err
	}
	r := run{p.number, p.run}
	end := uint64(r.first) + uint64(r.pages)
	switch {
	case uint64(r.pages) < f.runPages(nd.size):
		return nil, run{}, nd.damaged("has a value of %d bytes, the run at page %d has %d pages", nd.size, r.first, r.pages)
	case end > uint64(f.pages) || end > f.last+1:
		return nil, run{}, nd.damaged("has a value up to page %d, the last is page %d, the file ends after %d pages", end-1, f.last, f.pages)
	}
	at := int(r.first)*f.pageSize + f.header()
	return f.data[at:][:nd.size:nd.size], r, nil
}
