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

// newIndex makes the index of a file of room bytes. It scans twice, to measure and
// to copy: that is quicker than to grow, and nothing is left over. The error is a
// *dbm.DamageError or errOverlap.
func newIndex(records scan, room int) (*index, error) {
	var size, entries uint64
	if err := records(func(key, value []byte) {
		if e, ok := entryOf(key, value); ok {
			size += e.size()
			entries++
		}
	}); err != nil {
		return nil, err
	}
	if size > uint64(room) {
		return nil, errOverlap
	}
	ix := &index{
		seed:  maphash.MakeSeed(),
		arena: make([]byte, 0, size),
		table: make([]uint64, entries+entries/2+1),
	}
	if err := records(func(key, value []byte) {
		if e, ok := entryOf(key, value); ok {
			ix.add(e)
		}
	}); err != nil {
		return nil, err
	}
	ix.coverage = ix.measure()
	return ix, nil
}

// add adds an entry. That a user exists or is disabled is kept once, however many
// properties say so: nobody's entries are so many that they take long to go through.
func (ix *index) add(e entry) {
	p := ix.probe(e.name)
	for o, _, ok := p.next(); ok; o, _, ok = p.next() {
		if o.mark == e.mark && e.mark.property() < 0 {
			return
		}
	}
	ix.table[p.slot] = p.tag | uint64(len(ix.arena)+1)
	ix.arena = e.append(ix.arena)
}

// measure counts the users who are not disabled, each at the first of their
// entries.
func (ix *index) measure() verifier.Coverage {
	kinds := make([]verifier.Kinds, 0, len(ix.table)*2/3)
	realms := make(map[string]bool)
	for offset, next := 0, 0; offset < len(ix.arena); offset = next {
		var e entry
		e, next = ix.at(offset)
		u, first := ix.userAt(e.name, offset)
		if !first || u.disabled {
			continue
		}
		kinds = append(kinds, u.kinds())
		if realm := e.name[bytes.IndexByte(e.name, 0)+1:]; !realms[string(realm)] {
			realms[string(realm)] = true
		}
	}
	return verifier.Measured(kinds, slices.Sorted(maps.Keys(realms)))
}

// userAt does the same as user, and returns false unless the user's first entry is
// at offset.
func (ix *index) userAt(name []byte, offset int) (u holdings, first bool) {
	p := ix.probe(name)
	for e, at, ok := p.next(); ok; e, at, ok = p.next() {
		if at < offset {
			return holdings{}, false
		}
		u.add(e)
	}
	return u, true
}
