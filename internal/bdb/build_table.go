package bdb

import (
	"fmt"
	"math"
	"slices"
)

// sortRecords fills sorted. In a group the records come in the order in which they
// will lie on pages, so that the order in which they were given does not show in
// the file, and no page has to be sorted again.
func (b *builder) sortRecords() error {
	b.group()
	for g := range len(b.groups) - 1 {
		members := b.sorted[b.groups[g]:b.groups[g+1]]
		slices.SortFunc(members, b.compare)
		for i := 1; i < len(members); i++ {
			if b.compare(members[i-1], members[i]) == 0 {
				return fmt.Errorf("bdb: build: two records with one key of %d bytes", len(b.records[members[i]].Key))
			}
		}
	}
	return nil
}

// group sorts the records by group: it counts the members of each, sums up where
// each group ends, and fills the groups from their ends downwards.
func (b *builder) group() {
	last := uint32(len(b.groups) - 2)
	for _, h := range b.hashes {
		b.groups[h&last]++
	}
	for g := 1; g < len(b.groups); g++ {
		b.groups[g] += b.groups[g-1]
	}
	b.sorted = make([]uint32, len(b.hashes))
	for i := len(b.hashes) - 1; i >= 0; i-- {
		g := b.hashes[i] & last
		b.groups[g]--
		b.sorted[b.groups[g]] = uint32(i)
	}
}

// compare orders two records by number: those with keys that stay on the page
// first, each kind as libdb has it.
func (b *builder) compare(i, j uint32) int {
	x, y := b.pageKey(i), b.pageKey(j)
	switch {
	case x.offPage == y.offPage:
		return compareKeys(x, y)
	case y.offPage:
		return -1
	}
	return 1
}

func (b *builder) pageKey(i uint32) pageKey {
	key := b.records[i].Key
	return pageKey{key, b.offPage(key)}
}

// spread decides how many buckets there are and returns how many pages they take.
// With the number that could hold everything on first pages these are half to all
// full; with half that number there are chains, and often fewer pages. The smaller
// file wins.
func (b *builder) spread() uint64 {
	many := b.countLeaves()
	if b.buckets == 2 {
		return many
	}
	b.buckets /= 2
	if few := b.countLeaves(); few < many {
		return few
	}
	b.buckets *= 2
	return many
}

func (b *builder) countLeaves() (n uint64) {
	for bucket := range b.buckets {
		n += uint64(len(b.fill(bucket)))
	}
	return n
}

// A leaf is a hash page to be. On-page and off-page keys never share one.
type leaf struct {
	records []uint32 // by number
	room    int      // bytes left for items and their offsets
	offKeys bool
}

// lookBack is how many pages at the end of a chain are tried for a record. There
// are rarely so many, unless somebody chose names whose hashes collide: trying
// them all would then take a time that grows with the square of their number.
const lookBack = 4

// fill returns the chain of a bucket, one page at least. It is valid until the
// next call.
func (b *builder) fill(bucket uint32) []leaf {
	b.chain = b.chain[:0]
	b.addLeaf()
	g := bucket & uint32(len(b.groups)-2)
	for _, i := range b.sorted[b.groups[g]:b.groups[g+1]] {
		if b.hashes[i]&(b.buckets-1) == bucket {
			b.place(i)
		}
	}
	return b.chain
}

// place puts a record on the first page that has room for it.
func (b *builder) place(i uint32) {
	r := &b.records[i]
	size, offKey := b.pairSize(r), b.offPage(r.Key)
	for at := max(0, len(b.chain)-lookBack); ; at++ {
		if at == len(b.chain) {
			b.addLeaf()
		}
		if l := &b.chain[at]; l.room >= size && (l.offKeys == offKey || len(l.records) == 0) {
			l.records = append(l.records, i)
			l.room -= size
			l.offKeys = offKey
			return
		}
	}
}

// addLeaf appends an empty page to the chain, taking up the memory of an old one.
func (b *builder) addLeaf() {
	n := len(b.chain)
	if n == cap(b.chain) {
		b.chain = append(b.chain, leaf{})
	}
	b.chain = b.chain[:n+1]
	b.chain[n] = leaf{records: b.chain[n].records[:0], room: b.room()}
}

// allocate makes the file, zero, with so many hash pages.
func (b *builder) allocate(leaves uint64) error {
	pages, room := 1+leaves, uint64(b.room())
	for i := range b.records {
		for _, content := range [][]byte{b.records[i].Key, b.records[i].Value} {
			if b.offPage(content) {
				pages += (uint64(len(content)) + room - 1) / room
			}
		}
	}
	if pages > math.MaxUint32 || pages > math.MaxInt/uint64(b.PageSize) {
		return fmt.Errorf("bdb: build: a file of %d pages is too large", pages)
	}
	b.file = make([]byte, pages*uint64(b.PageSize))
	b.next = 1 + b.buckets
	return nil
}
