package bdb

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Records returns the sound records of the file in the order in which they lie
// there, and the damage that was met, nil if there was none.
//
// A record is given only if it is whole and lies in the bucket that its key
// belongs to. Of two records with one key, one is given if they are alike and none
// if they differ; both cases are damage. So is a page with entries that no bucket
// leads to: records are missing then.
//
// The memory taken is a small multiple of the size of the file.
func (f *File) Records() ([]dbm.Record, []*dbm.DamageError) {
	c := newCollector(f)
	c.collect()
	return c.sound(), c.faults.All()
}

// A collector walks all buckets and keeps what it finds until it is known whether
// something contradicts it.
type collector struct {
	*walk
	found  []dbm.Record
	places []place        // of what was found, index by index
	ends   []int          // where in found each bucket ends
	owner  map[uint32]int // overflow page to the index of what claimed it
	order  []int          // of findTwinsIn, used again
}

// A place is where a record was found, and what was found out about it.
type place struct {
	page   uint32
	entry  uint16
	offKey bool // the key is off-page
	sound  bool
}

func newCollector(f *File) *collector {
	return &collector{walk: f.newWalk(), owner: map[uint32]int{}}
}

func (c *collector) pageKey(i int) pageKey { return pageKey{c.found[i].Key, c.places[i].offKey} }

func (c *collector) collect() {
	if c.cut != nil {
		c.faults.Add(c.cut)
	}
	n := c.countPairs()
	c.found, c.places = make([]dbm.Record, 0, n), make([]place, 0, n)
	for _, r := range c.bucketRuns() {
		c.collectRun(r)
	}
	c.findStranded()
	c.findTwins()
}

// minPair is what a pair takes on its page at least: two types and two offsets.
const minPair = 6

// countPairs returns how many pairs the headers of hash pages promise, as far as
// there is room for them.
func (c *collector) countPairs() (n int) {
	most := (int(c.pageSize) - c.headerSize()) / minPair
	for i := uint32(1); i < c.pages; i++ {
		if p := c.cutPage(i); p.isHash() {
			n += min(p.entries/2, most)
		}
	}
	return n
}

// collectRun collects the buckets of a run as far as the file has their pages. The
// others are one fault, however many there are.
func (c *collector) collectRun(r bucketRun) {
	for i := range uint64(r.last-r.first) + 1 {
		bucket := r.first + uint32(i)
		if r.page+i >= uint64(c.pages) {
			c.faults.Add(damaged(uint32(r.page+i), "past the end of the file, where bucket %d starts; up to bucket %d all are lost", bucket, r.last))
			return
		}
		c.chain(bucket, func(p page, items []item) {
			for i := 0; i+1 < len(items); i += 2 {
				c.add(bucket, items[i], items[i+1])
			}
		})
		c.ends = append(c.ends, len(c.found))
	}
}

// add reads one pair. Its place is noted first, because claims name it.
func (c *collector) add(bucket uint32, key, value item) {
	index := len(c.found)
	c.found = append(c.found, dbm.Record{})
	c.places = append(c.places, place{page: key.page, entry: uint16(key.entry), offKey: key.bytes[0] == itemOffPage})
	r, err := c.read(bucket, key, value, func(page uint32) bool { return c.take(page, index) })
	if err != nil {
		c.faults.Add(err)
		return
	}
	c.found[index] = r
	c.places[index].sound = true
}

// read reads one pair of a bucket.
func (w *walk) read(bucket uint32, key, value item, take claim) (dbm.Record, *dbm.DamageError) {
	k, err := w.key(key, take)
	if err != nil {
		return dbm.Record{}, err
	}
	if w.hash != nil {
		if b := w.bucket(w.hash(k)); b != bucket {
			return dbm.Record{}, key.damaged("belongs to bucket %d, found in bucket %d", b, bucket)
		}
	}
	v, err := w.value(value, take)
	if err != nil {
		return dbm.Record{}, err
	}
	return dbm.Record{Key: k, Value: v}, nil
}

// take claims an overflow page for a record. If another record has claimed it
// before there is no telling whose it is, and both are lost.
func (c *collector) take(page uint32, index int) bool {
	if c.used.Add(page) {
		c.owner[page] = index
		return true
	}
	if other, ok := c.owner[page]; ok && other != index {
		p := &c.places[other]
		p.sound = false
		c.faults.Add(damaged(p.page, "entry %d is lost: page %d is claimed again by page %d", p.entry, page, c.places[index].page))
	}
	return false
}

// findStranded looks for hash pages with entries that no bucket led to, as after a
// chain was broken or the table shrank.
func (c *collector) findStranded() {
	for n := uint32(1); n < c.pages; n++ {
		if err := c.strandedPage(n); err != nil {
			c.faults.Add(err)
		}
	}
}

// strandedPage tells whether page n has entries that no bucket led to.
func (w *walk) strandedPage(n uint32) *dbm.DamageError {
	if w.used.Has(n) {
		return nil
	}
	if p := w.cutPage(n); p.isHash() && p.entries > 0 {
		return damaged(n, "%d entries that no bucket leads to", p.entries)
	}
	return nil
}

// findTwins looks for keys met twice. They are in one bucket, unless the hash
// function is unknown.
func (c *collector) findTwins() {
	if c.hash == nil {
		c.findTwinsIn(0, len(c.found))
		return
	}
	start := 0
	for _, end := range c.ends {
		c.findTwinsIn(start, end)
		start = end
	}
}

// findTwinsIn compares records from one index to another: once sorted by key twins
// are neighbours.
func (c *collector) findTwinsIn(start, end int) {
	order := c.order[:0]
	for i := start; i < end; i++ {
		if c.places[i].sound {
			order = append(order, i)
		}
	}
	c.order = order
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(bytes.Compare(c.found[i].Key, c.found[j].Key), i-j)
	})
	for len(order) > 1 {
		first, n := order[0], 1
		for ; n < len(order) && bytes.Equal(c.found[order[n]].Key, c.found[first].Key); n++ {
			c.foundTwin(first, order[n])
		}
		order = order[n:]
	}
}

// foundTwin drops the later of two records with one key, and the first too unless
// they are alike.
func (c *collector) foundTwin(first, later int) {
	c.places[later].sound = false
	value := "the same value"
	if !bytes.Equal(c.found[first].Value, c.found[later].Value) {
		c.places[first].sound = false
		value = "another value"
	}
	a, b := c.places[first], c.places[later]
	c.faults.Add(damaged(b.page, "entry %d has the key of entry %d on page %d and %s", b.entry, a.entry, a.page, value))
}

// sound returns what nothing contradicts, and spends c.found for it.
func (c *collector) sound() []dbm.Record {
	sound := c.found[:0]
	for i, r := range c.found {
		if c.places[i].sound {
			sound = append(sound, r)
		}
	}
	return sound
}
