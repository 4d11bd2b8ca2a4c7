package gdbm

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Records returns the sound records of the file in the order of libgdbm's own
// listing, directory entry by entry and slot by slot, and the damage that was met,
// nil if there was none.
//
// A record is given only if libgdbm, asked for its key on the kind of machine that
// the file was made on, would find it, and nothing overlaps it. Of two records with
// one key, one is given if they are alike and none if they differ; both cases are
// damage. What is wrong with the accounts of free space or the end of the file
// costs no records here, though libgdbm reads nothing before that is repaired.
func (f *File) Records() ([]dbm.Record, []*dbm.DamageError) {
	c := newCollector(f)
	c.collect()
	return c.sound(), c.faults.All()
}

// A collector keeps what it finds until it is known whether something contradicts
// it. It looks at keys and values last, when it knows that they do not overlap:
// before that, a small file could claim the same bytes very often.
type collector struct {
	*walk
	visited []*bucket
	places  []place
	extents []extent
	made    [UnsignedChars + 1]int // how many keys have been hashed with which chars
}

// A place is a slot, and what was found out about it.
type place struct {
	slot
	of    uint32 // index of its bucket
	chars Chars
	sound bool
}

func newCollector(f *File) *collector { return &collector{walk: f.newWalk()} }

func (c *collector) collect() {
	for b := range c.walk.buckets() {
		c.collectBucket(b)
	}
	c.findOverlaps()
	c.readKeys()
	c.findTwins()
	c.findOtherChars()
}

func (c *collector) collectBucket(b *bucket) {
	occupied := uint32(0)
	for slot, run := range c.slots(b) {
		occupied++
		if err := c.checkSlot(b, &slot, run); err != nil {
			c.faults.Add(err)
			continue
		}
		c.places = append(c.places, place{slot: slot, of: uint32(len(c.visited)), sound: true})
	}
	c.visited = append(c.visited, b)
	c.checkBucket(b, occupied)
}

// An extent is bytes of the file that something claims.
type extent struct {
	from, to uint64
	owner    int32 // index of a place, or one of these
}

const (
	structure = -1 - iota // header, directory, bucket
	freeSpace             // as a table says
	freeTable             // one of those behind the first
)

// findOverlaps looks for bytes claimed twice. There is no telling whose they are, so
// that no record that has any of them is sound.
func (c *collector) findOverlaps() {
	c.extents = make([]extent, 0, 2+len(c.visited)+len(c.places))
	c.extents = append(c.extents, extent{0, uint64(c.blockSize), structure}, extent{c.dir, c.dir + c.dirSize(c.dirBits), structure})
	for _, b := range c.visited {
		c.extents = append(c.extents, extent{b.at, b.at + uint64(c.blockSize), structure})
	}
	for i := range c.places {
		if p := &c.places[i]; p.at < p.end() {
			c.extents = append(c.extents, extent{p.at, p.end(), int32(i)})
		}
	}
	eachOverlap(c.extents, func(a, b extent) {
		c.overlaps(a.owner, b.owner)
		c.overlaps(b.owner, a.owner)
	})
}

// overlaps notes that a record overlaps something, once.
func (c *collector) overlaps(owner, other int32) {
	if owner < 0 || !c.places[owner].sound {
		return
	}
	p := &c.places[owner]
	p.sound = false
	if other < 0 {
		c.faults.Add(p.damaged("overlaps a bucket, the directory or the header"))
		return
	}
	o := &c.places[other]
	c.faults.Add(p.damaged("overlaps slot %d of bucket %d", o.number, o.slot.bucket))
}

// eachOverlap sorts extents and calls found so that each which overlaps another is
// in one of the calls at least.
func eachOverlap(extents []extent, found func(a, b extent)) {
	slices.SortFunc(extents, func(a, b extent) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.owner, b.owner))
	})
	var far extent // of those before, the one that ends last
	for _, e := range extents {
		if e.from < far.to {
			found(far, e)
		}
		if e.to > far.to {
			far = e
		}
	}
}

func (c *collector) readKeys() {
	for i := range c.places {
		p := &c.places[i]
		if !p.sound {
			continue
		}
		_, chars, err := c.record(c.visited[p.of], &p.slot)
		if err != nil {
			p.sound = false
			c.faults.Add(err)
			continue
		}
		p.chars = chars
		c.made[chars]++
	}
}

func (c *collector) key(i int32) []byte {
	p := &c.places[i]
	return c.data[p.at : p.at+uint64(p.slot.key)]
}

func (c *collector) value(i int32) []byte {
	p := &c.places[i]
	return c.data[p.at+uint64(p.slot.key) : p.end()]
}

// findTwins looks for keys met twice: once sorted by key they are neighbours.
func (c *collector) findTwins() {
	order := make([]int32, 0, len(c.places))
	for i := range c.places {
		if c.places[i].sound {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(i, j int32) int {
		return cmp.Or(bytes.Compare(c.key(i), c.key(j)), cmp.Compare(i, j))
	})
	for len(order) > 1 {
		first, n := order[0], 1
		for ; n < len(order) && bytes.Equal(c.key(order[n]), c.key(first)); n++ {
			c.foundTwin(first, order[n])
		}
		order = order[n:]
	}
}

// foundTwin drops the later of two records with one key, and the first too unless
// they are alike.
func (c *collector) foundTwin(first, later int32) {
	a, b := &c.places[first], &c.places[later]
	b.sound = false
	value := "the same value"
	if !bytes.Equal(c.value(first), c.value(later)) {
		a.sound = false
		value = "another value"
	}
	c.faults.Add(b.damaged("has the key of slot %d of bucket %d and %s", a.number, a.slot.bucket, value))
}

// chars returns what most of the keys were hashed with.
func (c *collector) chars() Chars {
	signed, unsigned := c.made[SignedChars], c.made[UnsignedChars]
	switch {
	case signed == 0 && unsigned == 0:
		return UsualChars
	case signed == unsigned:
		return usualChars(c.order)
	case signed > unsigned:
		return SignedChars
	}
	return UnsignedChars
}

// findOtherChars drops the records that libgdbm would not find where it finds most.
// Of these one may have been changed since: its twin was dropped with it.
func (c *collector) findOtherChars() {
	most := c.chars()
	for i := range c.places {
		p := &c.places[i]
		if p.chars != UsualChars && p.chars != most {
			p.sound = false
			c.faults.Add(p.otherChars(p.chars))
		}
	}
}

func (c *collector) sound() []dbm.Record {
	var sound []dbm.Record
	for i := range c.places {
		if p := &c.places[i]; p.sound {
			key, value := c.key(int32(i)), c.value(int32(i))
			sound = append(sound, dbm.Record{Key: key[:len(key):len(key)], Value: value[:len(value):len(value)]})
		}
	}
	return sound
}
