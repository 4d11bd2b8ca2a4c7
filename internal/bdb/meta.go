package bdb

import (
	"encoding/binary"
	"math/bits"

	"github.com/saslkit/saslkit/internal/dbm"
)

const (
	metaSize        = 512 // bytes of page 0 that mean something
	metaChecksumAt  = 492
	metaPageType    = 8
	flagChecksum    = 1 // of metaflags
	flagDuplicates  = 1 // of flags
	flagSubdatabase = 2
	flagSortedDups  = 4
	minPageSize     = 512
	maxPageSize     = 65536
	minVersion      = 7
	maxVersion      = 10      // read; written up to 9
	maxBuckets      = 1 << 31 // 32 spares
)

// meta is what page 0 says and somebody needs. See the table in doc.go.
type meta struct {
	page              uint32
	version           uint32
	pageSize          uint32
	checksummed       bool
	free, last        uint32
	flags             uint32
	maxBucket         uint32
	highMask, lowMask uint32
	fillFactor, pairs uint32
	probe             uint32 // hash of probeKey
	spares            [32]uint32
	order             binary.ByteOrder
	hash              func([]byte) uint32 // nil: unknown
}

// parseMeta reads the first 512 bytes of a file. It returns a *dbm.FormatError for
// what is refused and a *dbm.DamageError for what is broken.
func parseMeta(data []byte) (m meta, err error) {
	if len(data) == 0 {
		return meta{}, damaged(0, "the file is empty")
	}
	kind, order := sniff(data)
	if kind != KindHash && len(data) >= sniffSize {
		return meta{}, refused("the file is %s, expected a Berkeley DB hash file", kind)
	}
	if len(data) < metaSize {
		return meta{}, damaged(0, "the file ends at byte %d, the metadata takes %d", len(data), metaSize)
	}
	b := data[:metaSize]
	if err := refuseMeta(b, order); err != nil {
		return meta{}, err
	}
	m = cutMeta(b, order)
	if err := m.validate(b); err != nil {
		return meta{}, err
	}
	return m, nil
}

// refuseMeta names the features that this package does not read. It looks at
// bytes that lie in the clear even in an encrypted file.
func refuseMeta(b []byte, order binary.ByteOrder) error {
	version := order.Uint32(b[16:])
	switch {
	case b[24] != 0:
		return refused("the file is encrypted")
	case version < minVersion:
		return refused("hash version %d is too old, %d to %d are read (db5.3_upgrade converts a copy)", version, minVersion, maxVersion)
	case version > maxVersion:
		return refused("hash version %d is unknown, %d to %d are read", version, minVersion, maxVersion)
	case b[26]&^flagChecksum != 0:
		return refused("the file is partitioned or uses unknown features (metaflags %#x)", b[26])
	case order.Uint32(b[48:])&^(flagDuplicates|flagSortedDups) != 0:
		return refused("the file has sub-databases or uses unknown features (flags %#x)", order.Uint32(b[48:]))
	}
	if version == 10 {
		for _, c := range b[224:244] {
			if c != 0 {
				return refused("the file keeps values in a blob store outside of it")
			}
		}
	}
	return nil
}

func cutMeta(b []byte, order binary.ByteOrder) meta {
	m := meta{
		page:        order.Uint32(b[8:]),
		version:     order.Uint32(b[16:]),
		pageSize:    order.Uint32(b[20:]),
		checksummed: b[26]&flagChecksum != 0,
		free:        order.Uint32(b[28:]),
		last:        order.Uint32(b[32:]),
		flags:       order.Uint32(b[48:]),
		maxBucket:   order.Uint32(b[72:]),
		highMask:    order.Uint32(b[76:]),
		lowMask:     order.Uint32(b[80:]),
		fillFactor:  order.Uint32(b[84:]),
		pairs:       order.Uint32(b[88:]),
		probe:       order.Uint32(b[92:]),
		order:       order,
	}
	for i := range m.spares {
		m.spares[i] = order.Uint32(b[96+4*i:])
	}
	m.hash = hashFunction(m.probe)
	return m
}

// put writes the metadata into page, which is zero, without its checksum. It is
// the reverse of cutMeta.
func (m *meta) put(page []byte) {
	o := m.order
	o.PutUint32(page[4:], 1) // log sequence number 0, 1: not logged
	o.PutUint32(page[8:], m.page)
	o.PutUint32(page[12:], magicHash)
	o.PutUint32(page[16:], m.version)
	o.PutUint32(page[20:], m.pageSize)
	page[25] = metaPageType
	if m.checksummed {
		page[26] = flagChecksum
	}
	o.PutUint32(page[28:], m.free)
	o.PutUint32(page[32:], m.last)
	o.PutUint32(page[48:], m.flags)
	o.PutUint32(page[72:], m.maxBucket)
	o.PutUint32(page[76:], m.highMask)
	o.PutUint32(page[80:], m.lowMask)
	o.PutUint32(page[84:], m.fillFactor)
	o.PutUint32(page[88:], m.pairs)
	o.PutUint32(page[92:], m.probe)
	for i, s := range m.spares {
		o.PutUint32(page[96+4*i:], s)
	}
}

// validate checks what follows from other fields rather than trusting it. What
// only libdb's verifier looks at is left to File.Verify.
func (m *meta) validate(b []byte) *dbm.DamageError {
	if m.checksummed {
		if sum, want := checksum(b, metaChecksumAt), m.order.Uint32(b[metaChecksumAt:]); sum != want {
			return damaged(0, "checksum is %#08x, the page says %#08x", sum, want)
		}
	}
	size := m.pageSize
	switch {
	case b[25] != metaPageType:
		return damaged(0, "page type is %d, expected %d (hash metadata)", b[25], metaPageType)
	case size < minPageSize || size > maxPageSize || size&(size-1) != 0:
		return damaged(0, "page size is %d, expected a power of two from %d to %d", size, minPageSize, maxPageSize)
	case m.maxBucket >= maxBuckets:
		return damaged(0, "highest bucket is %d, the format ends at %d", m.maxBucket, uint32(maxBuckets-1))
	}
	mask := uint32(1)<<bits.Len32(m.maxBucket) - 1
	if m.highMask != mask || m.lowMask != mask>>1 {
		return damaged(0, "masks are %#x and %#x, %d buckets need %#x and %#x", m.highMask, m.lowMask, uint64(m.maxBucket)+1, mask, mask>>1)
	}
	return m.validateSpares()
}

// validateSpares makes sure that no two buckets share a page and none has page 0.
func (m *meta) validateSpares() *dbm.DamageError {
	var end uint64
	for _, r := range m.bucketRuns() {
		if r.page <= end {
			return damaged(0, "bucket %d starts on page %d, where an earlier bucket or the metadata is", r.first, r.page)
		}
		end = r.page + uint64(r.last-r.first)
	}
	return nil
}

// A bucketRun is a range of buckets whose first pages lie side by side.
type bucketRun struct {
	first, last uint32 // buckets
	page        uint64 // of the first
}

// bucketRuns returns the one run of each doubling, 32 at most.
func (m *meta) bucketRuns() []bucketRun {
	runs := []bucketRun{{0, 0, uint64(m.spares[0])}}
	for i := 1; i <= bits.Len32(m.maxBucket); i++ {
		first := uint32(1) << (i - 1)
		last := min(first<<1-1, m.maxBucket)
		runs = append(runs, bucketRun{first, last, uint64(first) + uint64(m.spares[i])})
	}
	return runs
}

// bucket returns the bucket of a key with this hash.
func (m *meta) bucket(hash uint32) uint32 {
	b := hash & m.highMask
	if b > m.maxBucket {
		b &= m.lowMask
	}
	return b
}

// bucketPage returns the first page of a bucket; it may be past the file's end.
func (m *meta) bucketPage(bucket uint32) uint64 {
	return uint64(bucket) + uint64(m.spares[bits.Len32(bucket)])
}

// startsBucket reports whether page is the first of a bucket.
func (m *meta) startsBucket(page uint32) bool {
	for i := range bits.Len32(m.maxBucket) + 1 {
		bucket := uint64(page) - uint64(m.spares[i])
		if bucket <= uint64(m.maxBucket) && bits.Len64(bucket) == i {
			return true
		}
	}
	return false
}

// headerSize returns how many bytes the header of a page other than 0 takes.
func (m *meta) headerSize() int {
	if m.checksummed {
		return 32
	}
	return 26
}
