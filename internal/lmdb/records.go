package lmdb

import "github.com/saslkit/saslkit/internal/dbm"

// Records returns the sound records of the file in the order of their keys, and
// the damage that was met, nil if there was none. The records alias the data.
//
// Values that claim the same pages are all lost: there is no telling whose they
// are. Named databases, which are entries of the main one, are passed over.
func (f *File) Records() ([]dbm.Record, []*dbm.DamageError) {
	c := f.collect()
	return c.found, c.faults.All()
}

// A collector keeps what it finds until it is known whether something contradicts
// it.
type collector struct {
	*walk
	found     []dbm.Record
	big       []bigRecord
	met       tree
	databases int
}

// A bigRecord is a record found whose value takes pages.
type bigRecord struct {
	link
	run
	index int // in found
}

func (f *File) collect() *collector {
	c := &collector{walk: f.newWalk()}
	c.met, c.databases = c.records(func(nd node, r dbm.Record, pages run) {
		if pages.pages > 0 {
			c.big = append(c.big, bigRecord{nd.link, pages, len(c.found)})
		}
		c.found = append(c.found, r)
	})
	c.dropShared()
	return c
}

// dropShared drops the records whose pages something else claimed later.
func (c *collector) dropShared() {
	lost := map[int]bool{}
	for _, b := range c.big {
		for i := range b.pages {
			if n := b.first + i; c.again.Has(n) {
				c.faults.Add(b.damaged("is lost: page %d of its value is claimed again", n))
				lost[b.index] = true
				break
			}
		}
	}
	if len(lost) == 0 {
		return
	}
	sound := c.found[:0]
	for i, r := range c.found {
		if !lost[i] {
			sound = append(sound, r)
		}
	}
	c.found = sound
}

// Scan implements dbm.File, in the order of keys. It takes two bits for each page
// and the nodes of one page for each level.
func (f *File) Scan(visit func(key, value []byte)) *dbm.DamageError {
	w := f.newWalk()
	w.brief = true
	if !w.done() {
		w.records(func(_ node, r dbm.Record, _ run) { visit(r.Key, r.Value) })
	}
	if faults := w.faults.All(); faults != nil {
		return faults[0]
	}
	return nil
}
