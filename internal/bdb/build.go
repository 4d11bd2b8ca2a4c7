package bdb

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

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
// free space is zero. Beside the file it takes some 10 bytes of memory for each
// record.
func Build(records []dbm.Record, o Options) ([]byte, error) {
	layout, err := o.Layout.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &builder{Layout: layout, order: binary.ByteOrder(binary.LittleEndian), records: records}
	if layout.BigEndian {
		b.order = binary.BigEndian
	}
	if err := b.checkRecords(o.LongKeys); err != nil {
		return nil, err
	}
	b.chooseBuckets()
	if err := b.sortRecords(); err != nil {
		return nil, err
	}
	if err := b.allocate(b.spread()); err != nil {
		return nil, err
	}
	b.write()
	return b.file, nil
}

// A builder lays a file out in memory: metadata, one page for each bucket, and
// behind them the further pages of buckets and overflow pages as they come.
type builder struct {
	Layout
	order   binary.ByteOrder
	records []dbm.Record
	hashes  []uint32 // of the records' keys

	// The records by number, one group after the other. A group is a bucket of
	// the smaller table that is considered, and two of the larger.
	sorted  []uint32
	groups  []uint32 // where each begins in sorted, and at last where all end
	buckets uint32   // a power of two, as many as there are groups or twice that

	chain []leaf // of one bucket, used again for the next
	file  []byte
	next  uint32 // the first page not taken yet
}

// headerSize returns the bytes of a page header, room what it leaves on a page.
func (b *builder) headerSize() int {
	m := meta{checksummed: b.Checksummed}
	return m.headerSize()
}

func (b *builder) room() int { return int(b.PageSize) - b.headerSize() }

// offPage reports whether a key or value is too long for a hash page.
func (b *builder) offPage(content []byte) bool { return len(content) > int(b.PageSize)/4 }

// itemSize returns the bytes that a key or value takes on a hash page.
func (b *builder) itemSize(content []byte) int {
	if b.offPage(content) {
		return offPageSize
	}
	return 1 + len(content)
}

// pairSize adds the offsets of key and value.
func (b *builder) pairSize(r *dbm.Record) int { return b.itemSize(r.Key) + b.itemSize(r.Value) + 4 }

// checkRecords refuses what the format does not hold, or must not, and hashes keys.
func (b *builder) checkRecords(long LongKeys) error {
	if uint64(len(b.records)) > maxPairs {
		return fmt.Errorf("bdb: build: %d records, the format ends at %d", len(b.records), uint32(maxPairs))
	}
	b.hashes = make([]uint32, len(b.records))
	for i := range b.records {
		r := &b.records[i]
		if long == RefuseLongKeys && b.offPage(r.Key) {
			return longKeyError(r.Key, b.PageSize)
		}
		if uint64(len(r.Key)) > math.MaxUint32 || uint64(len(r.Value)) > math.MaxUint32 {
			return fmt.Errorf("bdb: build: key of %d bytes, value of %d bytes: too long", len(r.Key), len(r.Value))
		}
		b.hashes[i] = hashKey(r.Key)
	}
	return nil
}

func longKeyError(key []byte, pageSize uint32) error {
	return fmt.Errorf("bdb: build: key of %d bytes, the limit with pages of %d bytes is %d", len(key), pageSize, pageSize/4)
}

// chooseBuckets sets the number of buckets to the least that could hold everything
// on first pages, and prepares groups for half of that. It is a power of two, for
// libdb gives a doubling of the table all its pages at once.
func (b *builder) chooseBuckets() {
	var need uint64
	for i := range b.records {
		need += uint64(b.pairSize(&b.records[i]))
	}
	b.buckets = uint32(min(max(2, uint64(1)<<bits.Len64(need/uint64(b.room()))), maxBuckets))
	b.groups = make([]uint32, b.buckets/2+1)
}
