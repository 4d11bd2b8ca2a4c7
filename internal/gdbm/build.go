package gdbm

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A directory doubles with each bit that the hashes of too many keys for a bucket
// have in common. That of a million honest users takes 64 KiB, and with blocks of 512
// bytes 4 MiB; but whoever chooses names can make a few collide, and have us write the
// gigabyte at which libgdbm gives up. A new file's has to do with the larger of
// these, in bytes.
const (
	maxNewDirSize = 16 << 20
	dirSizePerKey = 64
)

// Build returns a new file with these records, in any order. Equal records give
// equal bytes. The caller owns the file; records are only read.
//
// It refuses two records with one key, records of 2 GiB and more, and keys too many
// of which have hashes that are alike. Nothing is in the file but what the records
// hold: free space is zero.
func Build(records []dbm.Record, l Layout) ([]byte, error) {
	b, err := newBuilder(l)
	if err != nil {
		return nil, err
	}
	return b.build(records)
}

// A builder lays a file out in memory: header, directory, buckets, and the records
// side by side in the order of their hashes.
type builder struct {
	header
	chars      Chars
	maxDirSize uint64
	pairs      []pair
	buckets    []share
	file       []byte
}

// A pair is a record and its hash.
type pair struct {
	dbm.Record
	hash uint32
}

func (p *pair) size() uint64 { return uint64(len(p.Key)) + uint64(len(p.Value)) }

// A share is the pairs of one bucket, whose hashes have the first bits in common.
type share struct {
	pairs []pair
	bits  uint32
}

func newBuilder(l Layout) (*builder, error) {
	l, err := l.withDefaults()
	if err != nil {
		return nil, err
	}
	s := shapes[l.Width]
	return &builder{
		header: header{
			shape:     s,
			order:     l.order(),
			variant:   l.Variant,
			width:     l.Width,
			blockSize: l.BlockSize,
			dir:       uint64(l.BlockSize),
			dirBits:   s.dirBits(l.BlockSize),
			elems:     s.bucketElems(l.BlockSize),
		},
		chars:      l.Chars,
		maxDirSize: max(maxNewDirSize, uint64(l.BlockSize)),
	}, nil
}

func (b *builder) build(records []dbm.Record) ([]byte, error) {
	b.maxDirSize = min(max(b.maxDirSize, dirSizePerKey*uint64(len(records))), maxDirSize)
	if err := b.sort(records); err != nil {
		return nil, err
	}
	if err := b.split(b.pairs, 0); err != nil {
		return nil, err
	}
	if err := b.allocate(); err != nil {
		return nil, err
	}
	b.write()
	return b.file, nil
}

// sort takes the records in the order of their hashes, so that those of a bucket
// are neighbours and the order in which they were given does not show in the file.
func (b *builder) sort(records []dbm.Record) error {
	b.pairs = make([]pair, len(records))
	for i, r := range records {
		b.pairs[i] = pair{r, b.chars.hashKey(r.Key)}
		if b.pairs[i].size() > maxRecord {
			return fmt.Errorf("gdbm: build: key of %d bytes, value of %d bytes: too long", len(r.Key), len(r.Value))
		}
	}
	slices.SortFunc(b.pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), bytes.Compare(a.Key, b.Key))
	})
	for i := 1; i < len(b.pairs); i++ {
		if bytes.Equal(b.pairs[i-1].Key, b.pairs[i].Key) {
			return fmt.Errorf("gdbm: build: two records with one key of %d bytes", len(b.pairs[i].Key))
		}
	}
	return nil
}

// split gives pairs, whose hashes have the first bits in common, a bucket or, if
// they are too many for one, splits them by the next bit. A half may be empty; it
// has a bucket nevertheless, for every entry of the directory leads to one.
func (b *builder) split(pairs []pair, bits uint32) error {
	if uint64(len(pairs)) <= uint64(b.elems) {
		b.buckets = append(b.buckets, share{pairs, bits})
		b.dirBits = max(b.dirBits, bits)
		return nil
	}
	if b.dirSize(bits+1) > b.maxDirSize {
		return fmt.Errorf("gdbm: build: %d keys have hashes that begin with the same %d of %d bits, more than the %d that a bucket holds",
			len(pairs), bits, hashBits, b.elems)
	}
	bit := uint32(1) << (hashBits - 1 - bits)
	middle, _ := slices.BinarySearchFunc(pairs, bit, func(p pair, bit uint32) int { return cmp.Compare(p.hash&bit, bit) })
	if err := b.split(pairs[:middle], bits+1); err != nil {
		return err
	}
	return b.split(pairs[middle:], bits+1)
}

// bucketsAt and recordsAt return where in the file these begin.
func (b *builder) bucketsAt() uint64 { return b.dir + b.dirSize(b.dirBits) }

func (b *builder) recordsAt() uint64 {
	return b.bucketsAt() + uint64(len(b.buckets))*uint64(b.blockSize)
}

// allocate makes the file, zero, whole blocks. There is one for records at least,
// as in a file that libgdbm makes.
func (b *builder) allocate() error {
	end, block := b.recordsAt(), uint64(b.blockSize)
	for i := range b.pairs {
		end += b.pairs[i].size()
	}
	b.next = max((end+block-1)/block*block, b.recordsAt()+block)
	if b.next > b.maxFile() || b.next > math.MaxInt {
		return fmt.Errorf("gdbm: build: a file of %d bytes is too large", b.next)
	}
	b.file = make([]byte, b.next)
	return nil
}

func (b *builder) write() {
	b.header.put(b.file[:b.blockSize])
	entry, at, record := b.dir, b.bucketsAt(), b.recordsAt()
	for _, s := range b.buckets {
		for range uint32(1) << (b.dirBits - s.bits) {
			b.putOffset(b.order, b.file[entry:], at)
			entry += uint64(b.offset)
		}
		record = b.writeBucket(b.file[at:at+uint64(b.blockSize)], s, record)
		at += uint64(b.blockSize)
	}
	b.writeRest(record)
}

// writeBucket writes a bucket and its records, the first at an offset, and returns
// where they end. A slot that is taken sends a record to the next.
func (b *builder) writeBucket(bucket []byte, s share, at uint64) uint64 {
	o, slots := b.order, bucket[b.slotsAt():]
	o.PutUint32(bucket[b.bitsAt():], s.bits)
	o.PutUint32(bucket[b.bitsAt()+4:], uint32(len(s.pairs)))
	for n := range int(b.elems) {
		o.PutUint32(slots[n*b.slotSize():], emptySlot)
	}
	for i := range s.pairs {
		p := &s.pairs[i]
		n := p.hash % b.elems
		for o.Uint32(slots[int(n)*b.slotSize():]) != emptySlot {
			n = (n + 1) % b.elems
		}
		slot := slots[int(n)*b.slotSize():]
		o.PutUint32(slot, p.hash)
		copy(slot[keyStartAt:recordAt], p.Key)
		b.putOffset(o, slot[recordAt:], at)
		o.PutUint32(slot[recordAt+b.offset:], uint32(len(p.Key)))
		o.PutUint32(slot[recordAt+b.offset+4:], uint32(len(p.Value)))
		at += uint64(copy(b.file[at:], p.Key))
		at += uint64(copy(b.file[at:], p.Value))
	}
	return at
}

// writeRest gives what is left of the last block to the first bucket as free space,
// as libgdbm does with the last block of a new file.
func (b *builder) writeRest(from uint64) {
	if b.next-from <= ignoredSize {
		return
	}
	bucket := b.file[b.bucketsAt():]
	b.order.PutUint32(bucket, 1)
	b.order.PutUint32(bucket[b.align:], uint32(b.next-from))
	b.putOffset(b.order, bucket[2*b.align:], from)
}
