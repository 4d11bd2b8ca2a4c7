package bdb

import "github.com/saslkit/saslkit/internal/dbm"

// Verify looks at everything, more closely than libdb's db_verify does: also at
// the order of entries, at counts and at the end of the free space.
//
// Faults are contradictions: records may be missing or libdb, when it reads or
// next writes the file, may lose some. They include the damage that Records
// reports. Warnings are oddities that files in healthy use show and that harm
// nobody. Both are nil if there are none. Nothing is repaired.
func (f *File) Verify() (faults, warnings []*dbm.DamageError) {
	v := verifier{collector: newCollector(f)}
	v.collect()
	v.checkMeta()
	v.checkPages()
	v.checkOrder()
	v.checkFreeList()
	v.checkRest()
	return v.faults.All(), v.warnings.All()
}

// A verifier adds to what a collector notices. Its used set tells which pages the
// buckets, and later the free list, have reached.
type verifier struct {
	*collector
	warnings dbm.Faults
}

func (v *verifier) fault(page uint32, format string, args ...any) {
	v.faults.Add(damaged(page, format, args...))
}

func (v *verifier) warn(page uint32, format string, args ...any) {
	v.warnings.Add(damaged(page, format, args...))
}

// maxPairs is the highest number of pairs that db_verify lets pass.
const maxPairs = 1 << 31

func (v *verifier) checkMeta() {
	if v.meta.page != 0 {
		v.fault(0, "says that it is page %d", v.meta.page)
	}
	if v.hash == nil {
		v.fault(0, "made with an unknown hash function (the probe hashes to %#08x)", v.probe)
	}
	if v.pairs > maxPairs {
		v.fault(0, "counts %d pairs, the format ends at %d", v.pairs, uint32(maxPairs))
	}
	if v.flags&(flagDuplicates|flagSortedDups) != 0 {
		v.warn(0, "duplicate keys are allowed: Cyrus SASL would add a changed password instead of replacing the old one")
	}
	if v.pages > 1 && v.last < v.pages-1 {
		v.checkTail()
	}
}

// checkTail looks at the pages that the metadata does not count. libdb takes them
// for free space.
func (v *verifier) checkTail() {
	for n := v.last + 1; n < v.pages; n++ {
		if v.used.Has(n) {
			v.fault(0, "the last page is %d, yet page %d is in use", v.last, n)
			return
		}
	}
	v.warn(0, "the last page is %d, the file goes on to page %d", v.last, v.pages-1)
}

// checkPages looks again at the pages that hold something.
func (v *verifier) checkPages() {
	before := v.predecessors()
	for n := uint32(1); n < v.pages; n++ {
		if !v.used.Has(n) {
			continue
		}
		p, err := v.File.page(n)
		if err != nil || p.hole {
			continue // told before, or of no content
		}
		if p.level != 0 {
			v.fault(n, "level is %d, expected 0", p.level)
		}
		if p.prev != before[n] {
			v.warn(n, "previous page is %d, expected %d", p.prev, before[n])
		}
		if p.typ == typeOverflow && p.entries != 1 {
			v.warn(n, "%d references, expected 1", p.entries)
		}
	}
}

// predecessors tells for each page in use which page in use leads to it, 0 if none.
func (v *verifier) predecessors() []uint32 {
	before := make([]uint32, v.pages)
	for n := uint32(1); n < v.pages; n++ {
		if !v.used.Has(n) {
			continue
		}
		if next := v.cutPage(n).next; next < v.pages {
			before[next] = n
		}
	}
	return before
}

// checkOrder reports pairs that libdb's bisection might not find.
func (v *verifier) checkOrder() {
	for i := 1; i < len(v.places); i++ {
		a, b := v.places[i-1], v.places[i]
		if a.page != b.page || !a.sound || !b.sound || v.cutPage(b.page).typ != typeSorted {
			continue
		}
		if compareKeys(v.pageKey(i-1), v.pageKey(i)) >= 0 {
			v.fault(b.page, "entry %d is not in order: libdb may not find it", b.entry)
		}
	}
}

// checkFreeList follows the list of free pages, which a writer will take.
func (v *verifier) checkFreeList() {
	for n, from := v.free, uint32(0); n != 0; {
		p, err := v.File.page(n)
		switch {
		case err != nil:
			v.fault(err.Number, "%s (on the free list after page %d)", err.Reason, from)
			return
		case p.typ != typeFree || p.hole:
			v.fault(n, "on the free list, but of type %s", typeName(p.typ))
			return
		case !v.used.Add(n):
			v.fault(n, "on the free list, but in use or met a second time")
			return
		}
		n, from = p.next, n
	}
}

// checkRest looks at the pages that nothing led to. Pages reserved for buckets to
// come are nobody's by right; stranded entries and
// bucket pages of a wrong type were told before.
func (v *verifier) checkRest() {
	for n := uint32(1); n < v.pages && n <= v.last; n++ {
		if v.used.Has(n) || v.startsBucket(n) {
			continue
		}
		p := v.cutPage(n)
		if p.isHash() && (p.entries > 0 || v.reserved(n)) {
			continue
		}
		if allZero(p.bytes) || p.typ == typeFree && v.reserved(n) {
			continue
		}
		v.fault(n, "type is %s, and nothing leads to it", typeName(p.typ))
	}
}

// reserved reports whether page lies in a doubling of the table, in use or left
// from when the table was larger.
func (v *verifier) reserved(page uint32) bool {
	for i, spare := range v.spares {
		first := uint64(1) << i >> 1 // bucket
		if spare != 0 && uint64(page) >= first+uint64(spare) && uint64(page) < max(2*first, 1)+uint64(spare) {
			return true
		}
	}
	return false
}
