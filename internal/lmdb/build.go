package lmdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// minMapSize is the map size of a small new file, in bytes. liblmdb's own default
// of 1 MiB is full with some thousand users, and a program that uses sasldb may
// have no option for another.
const minMapSize = 10 << 20

// Build returns a new file with these records, in any order, with pages of 4096
// bytes and for 64-bit machines with little-endian numbers. Equal records give
// equal bytes. The caller owns the file; records are only read.
//
// It refuses two records with one key, and keys that liblmdb would: the empty one
// and those of more than 511 bytes. A value may be of any length below 4 GiB.
// Nothing is in the file but what the records hold: free space is zero.
func Build(records []dbm.Record) ([]byte, error) {
	return build(records, layout{order: binary.LittleEndian, word: 8, pageSize: 4096})
}

func build(records []dbm.Record, l layout) ([]byte, error) {
	sorted, err := l.sorted(records)
	if err != nil {
		return nil, err
	}
	b := &builder{layout: l, next: metaPages}
	b.plan(sorted)
	pages := b.next + b.main.overflow
	if pages > math.MaxInt/uint64(l.pageSize) {
		return nil, fmt.Errorf("lmdb: build: a file of %d pages is too large", pages)
	}
	b.file = make([]byte, pages*uint64(l.pageSize))
	b.write(pages)
	return b.file, nil
}

// A builder lays a file out in memory: metadata, leaf pages in the order of their
// keys, the levels of branches above them up to the root, and then big values.
type builder struct {
	layout
	leaves []leaf
	levels [][]branch // those above the leaves first
	main   tree
	file   []byte
	next   uint64 // the first page not taken yet
}

// A leaf and a branch are pages to be.
type leaf struct {
	number  uint64
	records []dbm.Record
}

type branch struct {
	number   uint64
	children []child
}

// A child is a page and the lowest key below it.
type child struct {
	number uint64
	key    []byte
}

// maxKey is that of liblmdb. With pages of less than 4096 bytes, which only tests
// make, it is lower, so that there is room for some children on a branch.
func (l layout) maxKey() int { return min(maxKey, l.pageSize/8) }

// sorted returns the records in the order of their keys.
func (l layout) sorted(records []dbm.Record) ([]dbm.Record, error) {
	for _, r := range records {
		if len(r.Key) == 0 {
			return nil, fmt.Errorf("lmdb: build: a key is empty, which LMDB does not allow")
		}
		if len(r.Key) > l.maxKey() {
			return nil, fmt.Errorf("lmdb: build: key of %d bytes, the limit is %d", len(r.Key), l.maxKey())
		}
		if uint64(len(r.Value)) > math.MaxUint32 {
			return nil, fmt.Errorf("lmdb: build: value of %d bytes, the limit is %d", len(r.Value), uint32(math.MaxUint32))
		}
	}
	sorted := slices.Clone(records)
	slices.SortFunc(sorted, func(a, b dbm.Record) int { return bytes.Compare(a.Key, b.Key) })
	for i := 1; i < len(sorted); i++ {
		if bytes.Equal(sorted[i-1].Key, sorted[i].Key) {
			return nil, fmt.Errorf("lmdb: build: two records with one key of %d bytes", len(sorted[i].Key))
		}
	}
	return sorted, nil
}

// isBig reports whether the value of a record does not lie beside its key.
func (l layout) isBig(r dbm.Record) bool {
	return uint64(nodeHeader+len(r.Key))+uint64(len(r.Value)) > uint64(l.nodeMax())
}

// leafSize returns the bytes that a record takes on its page, offset included.
func (l layout) leafSize(r dbm.Record) int {
	if l.isBig(r) {
		return even(nodeHeader+len(r.Key)+l.word) + 2
	}
	return even(nodeHeader+len(r.Key)+len(r.Value)) + 2
}

func even(n int) int { return (n + 1) &^ 1 }

// plan distributes the records over leaves, and these over branches until there is
// one, the root.
func (b *builder) plan(records []dbm.Record) {
	b.main = tree{root: b.none(), entries: uint64(len(records))}
	for _, r := range records {
		if b.isBig(r) {
			b.main.overflow += b.runPages(uint32(len(r.Value)))
		}
	}
	var children []child
	for len(records) > 0 {
		n := fit(b.room(), records, b.leafSize)
		l := leaf{b.take(), records[:n]}
		b.leaves = append(b.leaves, l)
		children = append(children, child{l.number, records[0].Key})
		records = records[n:]
	}
	b.main.leaves = uint64(len(b.leaves))
	for len(children) > 1 {
		children = b.planLevel(children)
	}
	if len(children) == 1 {
		b.main.root, b.main.depth = children[0].number, uint16(1+len(b.levels))
	}
}

// planLevel puts branches above children, and returns them as children.
func (b *builder) planLevel(children []child) (parents []child) {
	var level []branch
	for len(children) > 0 {
		n := fit(b.room(), children, branchSize)
		if n == len(children)-1 {
			n-- // a branch must not have one child; here are four at least
		}
		p := branch{b.take(), children[:n]}
		level = append(level, p)
		parents = append(parents, child{p.number, children[0].key})
		children = children[n:]
	}
	b.main.branches += uint64(len(level))
	b.levels = append(b.levels, level)
	return parents
}

func branchSize(c child) int { return even(nodeHeader+len(c.key)) + 2 }

func (b *builder) room() int { return b.pageSize - b.header() }

// fit returns how many of the first of all fit into room bytes; one does always.
func fit[T any](room int, all []T, size func(T) int) int {
	for i, one := range all {
		if room -= size(one); room < 0 {
			return i
		}
	}
	return len(all)
}

// take returns the number of the next page.
func (b *builder) take() uint64 {
	b.next++
	return b.next - 1
}
