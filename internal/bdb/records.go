package bdb

import "bytes"

// A Record is a key and its value. Both may be empty and neither is nil in what
// this package returns. From a File they alias its data where they lie on one
// page, and are copies where they were kept off-page: treat them as read-only.
type Record struct {
	Key, Value []byte
}

// Records returns the sound records of the file in the order in which they lie
// there, and the damage that was met, nil if there was none.
//
// A record is given only if it is whole and lies in the bucket that its key
// belongs to. Of two records with one key, one is given if they are alike and none
// if they differ; both cases are damage. So is a page with entries that no bucket
// leads to: records are missing then.
//
// The memory taken is a small multiple of the size of the file.
func (f *File) Records() ([]Record, []*DamageError) {
	c := newCollector(f)
	c.collect()
	return c.records(), c.faults.all()
}

// A collector walks all buckets and keeps what it finds until it is known whether
// something contradicts it.
type collector struct {
	*walk
	found []found
	owner map[uint32]int // overflow page to the index of the record that claimed it
}

type found struct {
	Record
	page   uint32
	entry  int
	offKey bool // the key is off-page
	sound  bool
}

func (r *found) pageKey() pageKey { return pageKey{r.Key, r.offKey} }

func newCollector(f *File) *collector {
	return &collector{walk: f.newWalk(), owner: map[uint32]int{}}
}

func (c *collector) collect() {
	if c.cut != nil {
		c.faults.add(c.cut)
	}
	for _, r := range c.bucketRuns() {
		c.collectRun(r)
	}
	c.findStranded()
	c.findTwins()
}

// collectRun collects the buckets of a run as far as the file has their pages. The
// others are one fault, however many there are.
func (c *collector) collectRun(r bucketRun) {
	for i := range uint64(r.last-r.first) + 1 {
		bucket := r.first + uint32(i)
		if r.page+i >= uint64(c.pages) {
			c.faults.add(damaged(uint32(r.page+i), "past the end of the file, where bucket %d starts; up to bucket %d all are lost", bucket, r.last))
			return
		}
		c.chain(bucket, func(p page, items []item) {
			for i := 0; i+1 < len(items); i += 2 {
				c.add(bucket, items[i], items[i+1])
			}
		})
	}
}

// add reads one pair. The entry in c.found comes first, because claims name it.
func (c *collector) add(bucket uint32, key, value item) {
	index := len(c.found)
	c.found = append(c.found, found{page: key.page, entry: key.entry, offKey: key.bytes[0] == itemOffPage})
	take := func(page uint32) bool { return c.take(page, index) }
	k, err := c.key(key, take)
	if err == nil && c.hash != nil {
		if b := c.bucket(c.hash(k)); b != bucket {
			err = key.damaged("belongs to bucket %d, found in bucket %d", b, bucket)
		}
	}
	if err != nil {
		c.faults.add(err)
		return
	}
	v, err := c.value(value, take)
	if err != nil {
		c.faults.add(err)
		return
	}
	c.found[index].Record = Record{Key: k, Value: v}
	c.found[index].sound = true
}

// take claims an overflow page for a record. If another record has claimed it
// before there is no telling whose it is, and both are lost.
func (c *collector) take(page uint32, index int) bool {
	if c.used.add(page) {
		c.owner[page] = index
		return true
	}
	if other, ok := c.owner[page]; ok && other != index {
		c.found[other].sound = false
		c.faults.add(damaged(c.found[other].page, "entry %d is lost: page %d is claimed again by page %d",
			c.found[other].entry, page, c.found[index].page))
	}
	return false
}

// findStranded looks for hash pages with entries that no bucket led to, as after a
// chain was broken or the table shrank.
func (c *collector) findStranded() {
	for n := uint32(1); n < c.pages; n++ {
		if c.used.has(n) {
			continue
		}
		if p := c.cutPage(n); p.isHash() && p.entries > 0 {
			c.faults.add(damaged(n, "%d entries that no bucket leads to", p.entries))
		}
	}
}

// findTwins looks for keys met twice.
func (c *collector) findTwins() {
	first := make(map[string]int, len(c.found))
	for i := range c.found {
		twin := &c.found[i]
		if !twin.sound {
			continue
		}
		j, ok := first[string(twin.Key)]
		if !ok {
			first[string(twin.Key)] = i
			continue
		}
		if one := &c.found[j]; bytes.Equal(one.Value, twin.Value) {
			c.faults.add(damaged(twin.page, "entry %d has the key and value of entry %d on page %d", twin.entry, one.entry, one.page))
		} else {
			one.sound = false
			c.faults.add(damaged(twin.page, "entry %d has the key of entry %d on page %d and another value", twin.entry, one.entry, one.page))
		}
		twin.sound = false
	}
}

func (c *collector) records() []Record {
	records := make([]Record, 0, len(c.found))
	for i := range c.found {
		if c.found[i].sound {
			records = append(records, c.found[i].Record)
		}
	}
	return records
}
