package sasldb

import (
	"bytes"
	"errors"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/verifier"
)

// A scan gives all records, each key once, the same ones in the same order every
// time it is called.
type scan func(visit func(key, value []byte)) *dbm.DamageError

// scanOf gives records that were collected.
func scanOf(records []dbm.Record) scan {
	return func(visit func(key, value []byte)) *dbm.DamageError {
		for _, r := range records {
			visit(r.Key, r.Value)
		}
		return nil
	}
}

// errOverlap: a file can hold more than its size only if its records share bytes.
var errOverlap = errors.New("its records overlap")

// newIndex makes the index of a file of room bytes. It scans twice, to measure the
// buckets and to fill them: that is quicker than to grow and to sort, and nothing is
// left over. The error is a *dbm.DamageError or errOverlap.
func newIndex(records scan, room int) (*index, error) {
	ix := &index{seed: maphash.MakeSeed(), starts: make([]uint32, room/bucketShare+2)}
	var total uint64
	if err := records.entries(func(e entry) {
		ix.starts[ix.place(e.name)] += uint32(e.size())
		total += e.size()
	}); err != nil {
		return nil, err
	}
	if total > uint64(room) {
		return nil, errOverlap
	}
	var end uint32
	for i, size := range ix.starts {
		ix.starts[i] = end
		end += size
	}
	ix.arena = make([]byte, total)
	if err := records.entries(ix.add); err != nil {
		return nil, err
	}
	ix.measure()
	return ix, nil
}

// entries calls visit with what logins need.
func (s scan) entries(visit func(entry)) error {
	err := s(func(key, value []byte) {
		if e, ok := entryOf(key, value); ok {
			visit(e)
		}
	})
	if err != nil {
		return err
	}
	return nil
}

// add adds an entry. That a user exists or is disabled is kept once, however many
// properties say so: nobody's entries are so many that they take long to go through.
func (ix *index) add(e entry) {
	o, rest, ok := find(e.name, ix.bucketOf(e.name))
	for ; ok; o, rest, ok = find(e.name, rest) {
		if o.mark == e.mark && e.mark.property() < 0 {
			return
		}
	}
	e.append(rest[:0]) // from the 0 that ended the bucket; there is room
}

// measure counts the users who are not disabled, each at the first of their
// entries.
func (ix *index) measure() {
	var kinds []verifier.Kinds
	costs := costs{of: map[cost]int{}}
	realms := make(map[string]bool)
	for n := range len(ix.starts) - 1 {
		bucket := ix.bucket(n)
		for e, rest, ok := cutEntry(bucket); ok; e, rest, ok = cutEntry(rest) {
			if first, _, _ := find(e.name, bucket); first.mark != e.mark {
				continue
			}
			var u holdings
			ix.user(e.name, &u)
			if u.disabled {
				continue
			}
			kinds = append(kinds, u.kinds())
			costs.count(&u)
			if realm := e.name[bytes.IndexByte(e.name, 0)+1:]; !realms[string(realm)] {
				realms[string(realm)] = true
			}
		}
	}
	ix.coverage = verifier.Measured(kinds, slices.Sorted(maps.Keys(realms)))
	ix.decoy = costs.decoy()
}
