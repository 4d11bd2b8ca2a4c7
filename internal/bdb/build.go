package bdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Options say what kind of file Build makes.
type Options struct {
	Layout
	LongKeys LongKeys
}

// LongKeys says what to do with keys longer than a quarter of a page.
type LongKeys uint8

const (
	// RefuseLongKeys is for new records: libdb's own lookup of long keys is
	// faulty, see compareKeys.
	RefuseLongKeys LongKeys = iota
	// KeepLongKeys is for a rewrite of a file that has them.
	KeepLongKeys
)

// withDefaults replaces zeros and checks the rest.
func (l Layout) withDefaults() (Layout, error) {
	if l.Version == 0 {
		l.Version = 9
	}
	if l.PageSize == 0 {
		l.PageSize = 4096
	}
	switch {
	case l.Version < minVersion || l.Version > 9:
		return l, fmt.Errorf("bdb: build: version %d, expected %d to 9", l.Version, minVersion)
	case l.PageSize < minPageSize || l.PageSize > maxPageSize || l.PageSize&(l.PageSize-1) != 0:
		return l, fmt.Errorf("bdb: build: page size %d, expected a power of two from %d to %d", l.PageSize, minPageSize, maxPageSize)
	case l.Checksummed && l.Version < 8:
		return l, fmt.Errorf("bdb: build: version %d has no checksums", l.Version)
	}
	return l, nil
}

// Build returns a new file with these records, in any order. Equal records give
// equal bytes. The caller owns the file; records are only read.
//
// It refuses two records with one key, and long keys as Options say. A value may
// be of any length below 4 GiB. Nothing is in the file but what the records hold:
// free space is zero.
func Build(records []dbm.Record, o Options) ([]byte, error) {
	layout, err := o.Layout.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &builder{Layout: layout, order: binary.ByteOrder(binary.LittleEndian)}
	if layout.BigEndian {
		b.order = binary.BigEndian
	}
	pairs, err := b.sortedPairs(records, o.LongKeys)
	if err != nil {
		return nil, err
	}
	b.buckets = b.spread(pairs)
	if err := b.allocate(pairs); err != nil {
		return nil, err
	}
	b.write(uint32(len(pairs)))
	return b.file, nil
}

// A builder lays a file out in memory: metadata, one page for each bucket, and
// behind them the further pages of buckets and overflow pages as they come.
type builder struct {
	Layout
	order   binary.ByteOrder
	buckets []bucket
	file    []byte
	next    uint32 // the first page not taken yet
}

// A bucket is the pages of a chain, one at least.
type bucket []*leaf

// A leaf is a hash page to be. On-page and off-page keys never share one.
type leaf struct {
	pairs   []pair
	room    int // bytes left for items and their offsets
	offKeys bool
}

// A pair is a record with what its place depends on.
type pair struct {
	dbm.Record
	hash             uint32
	offKey, offValue bool
}

func (p *pair) pageKey() pageKey { return pageKey{p.Key, p.offKey} }

// size returns the bytes that the pair takes on its page, offsets included.
func (p *pair) size() int {
	return itemSize(p.Key, p.offKey) + itemSize(p.Value, p.offValue) + 4
}

func itemSize(content []byte, offPage bool) int {
	if offPage {
		return offPageSize
	}
	return 1 + len(content)
}

// headerSize returns the bytes of a page header, room what it leaves on a page.
func (b *builder) headerSize() int {
	m := meta{checksummed: b.Checksummed}
	return m.headerSize()
}

func (b *builder) room() int { return int(b.PageSize) - b.headerSize() }

// sortedPairs returns the records in the order of their keys, so that the order in
// which they were given does not show in the file.
func (b *builder) sortedPairs(records []dbm.Record, long LongKeys) ([]pair, error) {
	if uint64(len(records)) > maxPairs {
		return nil, fmt.Errorf("bdb: build: %d records, the format ends at %d", len(records), uint32(maxPairs))
	}
	limit := int(b.PageSize) / 4
	pairs := make([]pair, len(records))
	for i, r := range records {
		if len(r.Key) > limit && long == RefuseLongKeys {
			return nil, fmt.Errorf("bdb: build: key of %d bytes, the limit with pages of %d bytes is %d", len(r.Key), b.PageSize, limit)
		}
		if uint64(len(r.Key)) > math.MaxUint32 || uint64(len(r.Value)) > math.MaxUint32 {
			return nil, fmt.Errorf("bdb: build: key of %d bytes, value of %d bytes: too long", len(r.Key), len(r.Value))
		}
		pairs[i] = pair{r, hashKey(r.Key), len(r.Key) > limit, len(r.Value) > limit}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare(a.Key, b.Key) })
	for i := 1; i < len(pairs); i++ {
		if bytes.Equal(pairs[i-1].Key, pairs[i].Key) {
			return nil, fmt.Errorf("bdb: build: two records with one key of %d bytes", len(pairs[i].Key))
		}
	}
	return pairs, nil
}

// spread distributes the pairs over buckets. Their number is a power of two, for
// libdb gives a doubling of the table all its pages at once. With the least number
// that could hold everything on first pages these are half to all full; with half
// that number there are chains, and often fewer pages. The smaller file wins.
func (b *builder) spread(pairs []pair) []bucket {
	var need uint64
	for i := range pairs {
		need += uint64(pairs[i].size())
	}
	more := max(2, uint64(1)<<bits.Len64(need/uint64(b.room())))
	many := b.fill(pairs, more)
	if more == 2 {
		return many
	}
	if few := b.fill(pairs, more/2); countLeaves(few) < countLeaves(many) {
		return few
	}
	return many
}

// fill puts every pair on the first page of its bucket that has room for it.
func (b *builder) fill(pairs []pair, n uint64) []bucket {
	buckets := make([]bucket, n)
	for i := range buckets {
		buckets[i] = bucket{{room: b.room()}}
	}
	for _, p := range pairs {
		home := &buckets[uint64(p.hash)&(n-1)]
		i := slices.IndexFunc(*home, func(l *leaf) bool { return l.takes(&p) })
		if i < 0 {
			i = len(*home)
			*home = append(*home, &leaf{room: b.room()})
		}
		(*home)[i].add(p)
	}
	return buckets
}

func (l *leaf) takes(p *pair) bool {
	return l.room >= p.size() && (len(l.pairs) == 0 || l.offKeys == p.offKey)
}

func (l *leaf) add(p pair) {
	l.pairs = append(l.pairs, p)
	l.room -= p.size()
	l.offKeys = p.offKey
}

func countLeaves(buckets []bucket) (n uint64) {
	for _, b := range buckets {
		n += uint64(len(b))
	}
	return n
}

// allocate makes the file, zero, after counting its pages.
func (b *builder) allocate(pairs []pair) error {
	pages := 1 + countLeaves(b.buckets)
	room := uint64(b.room())
	for i := range pairs {
		if p := &pairs[i]; p.offKey {
			pages += (uint64(len(p.Key)) + room - 1) / room
		}
		if p := &pairs[i]; p.offValue {
			pages += (uint64(len(p.Value)) + room - 1) / room
		}
	}
	if pages > math.MaxUint32 || pages > math.MaxInt/uint64(b.PageSize) {
		return fmt.Errorf("bdb: build: a file of %d pages is too large", pages)
	}
	b.file = make([]byte, pages*uint64(b.PageSize))
	b.next = 1 + uint32(len(b.buckets))
	return nil
}
