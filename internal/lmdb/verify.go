package lmdb

import "github.com/saslkit/saslkit/internal/dbm"

// maxKey is the length in bytes of the longest key that liblmdb, as it is built
// everywhere, stores or looks up.
const maxKey = 511

// Verify looks at everything: also at the counts of pages, and at the free tree,
// from which a writer will take pages.
//
// Faults are contradictions: records may be missing or liblmdb, when it reads or
// next writes the file, may lose some. They include the damage that Records
// reports. Warnings are oddities that harm nobody. Both are nil if there are none.
// Nothing is repaired.
func (f *File) Verify() (faults, warnings []*dbm.DamageError) {
	v := verifier{collector: f.collect()}
	v.checkKeys()
	if v.databases > 0 {
		v.warn("the main tree has %d named databases, which were not looked at", v.databases)
	}
	v.checkCounts("main", v.main, v.met)
	freed := v.checkFree()
	v.checkRest(freed)
	return v.faults.All(), v.warnings.All()
}

type verifier struct {
	*collector
	warnings dbm.Faults
}

// fault and warn tell of the metadata, or what only they and the whole show.
func (v *verifier) fault(reason string, args ...any) {
	v.faults.Add(damaged(v.meta.page, reason, args...))
}

func (v *verifier) warn(reason string, args ...any) {
	v.warnings.Add(damaged(v.meta.page, reason, args...))
}

func (v *verifier) checkKeys() {
	long := 0
	for _, r := range v.found {
		if len(r.Key) > maxKey {
			long++
		}
	}
	if long > 0 {
		v.warn("%d keys have more than %d bytes: most programs cannot look them up", long, maxKey)
	}
}

// checkCounts compares the record of a tree with the tree. A tree that is not
// whole was told of before.
func (v *verifier) checkCounts(name string, t, met tree) {
	if v.faults.Len() > 0 {
		return
	}
	for _, count := range []struct {
		what      string
		told, met uint64
	}{
		{"branch pages", t.branches, met.branches},
		{"leaf pages", t.leaves, met.leaves},
		{"overflow pages", t.overflow, met.overflow},
		{"entries", t.entries, met.entries},
	} {
		if count.told != count.met {
			v.fault("counts %d %s of the %s tree, there are %d", count.told, count.what, name, count.met)
		}
	}
}

// checkFree looks at the free tree and returns the pages that it gives away.
func (v *verifier) checkFree() (freed dbm.Set) {
	freed = dbm.NewSet(v.pages)
	if err := v.checkTree(&v.meta, &v.free, "free"); err != nil {
		v.faults.Add(err)
		return freed
	}
	var lists []freeList
	var overflow uint64
	met := v.tree(v.free, v.compareNumbers, func(nd node) {
		list, r, err := v.claimedValue(nd)
		if err == nil {
			err = v.checkFreeKey(nd)
		}
		if err != nil {
			v.faults.Add(err)
			return
		}
		overflow += uint64(r.pages)
		lists = append(lists, freeList{nd.link, list})
	})
	met.overflow = overflow
	v.checkCounts("free", v.free, met)
	for _, l := range lists { // now that all pages in use are known
		if err := v.checkFreeList(l, freed); err != nil {
			v.faults.Add(err)
		}
	}
	return freed
}

// checkFreeKey: a transaction to come cannot have freed pages.
func (v *verifier) checkFreeKey(nd node) *dbm.DamageError {
	if len(nd.key) != v.word {
		return nd.damaged("has a key of %d bytes in the free tree, expected %d", len(nd.key), v.word)
	}
	if n := v.number(nd.key); n == 0 || n > v.transaction {
		return nd.damaged("has pages freed by transaction %d, the last is %d", n, v.transaction)
	}
	return nil
}

// A freeList is what one entry of the free tree holds.
type freeList struct {
	link
	bytes []byte
}

// checkFreeList adds the pages of a list to freed. The first that is wrong ends
// it.
func (v *verifier) checkFreeList(l freeList, freed dbm.Set) *dbm.DamageError {
	words := uint64(len(l.bytes) / v.word)
	if words == 0 || v.number(l.bytes) > words-1 {
		return l.damaged("has a list of free pages that is longer than its %d bytes", len(l.bytes))
	}
	count := int(v.number(l.bytes))
	for i, before := 1, v.none(); i <= count; i++ {
		n := v.number(l.bytes[i*v.word:])
		switch {
		case n >= before:
			return l.damaged("has a list of free pages that is not in order")
		case n < metaPages || n > v.last:
			return l.damaged("frees page %d, the last is page %d", n, v.last)
		case n >= uint64(v.pages): // counted, but never written
		case v.used.Has(uint32(n)):
			return l.damaged("frees page %d, which is in use", n)
		case !freed.Add(uint32(n)):
			return l.damaged("frees page %d, which is free already", n)
		}
		before = n
	}
	return nil
}

// checkRest counts the pages that nothing led to. They are lost to liblmdb, which
// does no harm.
func (v *verifier) checkRest(freed dbm.Set) {
	if v.faults.Len() > 0 || v.databases > 0 {
		return
	}
	var first, count uint32
	for n := uint32(metaPages); n < v.pages && uint64(n) <= v.last; n++ {
		if v.used.Has(n) || freed.Has(n) {
			continue
		}
		if count == 0 {
			first = n
		}
		count++
	}
	if count > 0 {
		v.warn("%d pages, the first of them page %d, are neither in use nor free", count, first)
	}
}
