package gdbm

import (
	"fmt"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Verify looks at everything, more closely than libgdbm's gdbm_recover does before
// it decides that there is nothing to recover: also at overlaps, at what a bucket
// says of its place in the directory, and at all accounts of free space.
//
// Faults are contradictions: records may be missing or libgdbm, when it next writes
// the file, may lose some. They include the damage that Records reports. Warnings
// are oddities that files in healthy use show. Both are nil if there are none.
// Space that is in no account is neither: libgdbm forgets pieces of up to 4 bytes.
func (f *File) Verify() (faults, warnings []*dbm.DamageError) {
	v := verifier{collector: newCollector(f)}
	v.collect()
	v.checkBits()
	v.checkFree()
	v.checkNext()
	v.checkChars()
	return v.faults.All(), v.warnings.All()
}

// A verifier adds to what a collector notices.
type verifier struct {
	*collector
	warnings dbm.Faults
}

func (v *verifier) fault(format string, args ...any) { v.faults.Add(damagedHeader(format, args...)) }
func (v *verifier) warn(format string, args ...any)  { v.warnings.Add(damagedHeader(format, args...)) }

// checkBits compares the entries that lead to a bucket with those that should: it
// is these that libgdbm changes when it splits the bucket.
func (v *verifier) checkBits() {
	for _, b := range v.visited {
		n := uint32(1) << (v.dirBits - v.bits(b))
		if b.first%n != 0 || b.last-b.first != n-1 {
			v.faults.Add(damagedBucket(b.first, "has %d of %d bits, yet directory entries %d to %d lead to it", v.bits(b), v.dirBits, b.first, b.last))
		}
	}
}

// checkFree looks for free space that is not free, or is free twice: libgdbm would
// give it away. It adds the tables and what they say to the extents.
func (v *verifier) checkFree() {
	t, ok := v.headTable(), true
	if t.count <= v.availElems(v.variant, v.blockSize) {
		v.addFree(t.elems, t.count)
	}
	for t.next != 0 {
		if t, ok = v.chainedTable(t.next); !ok {
			break
		}
		v.addFree(t.elems, t.count)
	}
	for _, b := range v.visited {
		if table, count := v.bucketTable(b); count <= bucketAvails {
			v.addFree(table, count)
		}
	}
	eachOverlap(v.extents, func(a, b extent) {
		if a.owner >= structure && b.owner >= structure {
			return // told before
		}
		if a.owner >= structure {
			a, b = b, a
		}
		v.fault("%s at byte %d to %d overlaps %s", v.describe(a), a.from, a.to, v.describe(b))
	})
}

// addFree adds the pieces of a table to the extents. Those that lead out of the file
// were told before, and so was a table of a wrong length.
func (v *verifier) addFree(table []byte, count uint32) {
	var before uint32
	sorted := true
	for p := range v.pieces(table, count) {
		sorted = sorted && p.size >= before
		before = p.size
		if p.size > 0 && v.soundPiece(p) {
			v.extents = append(v.extents, extent{p.at, p.at + uint64(p.size), freeSpace})
		}
	}
	if !sorted {
		v.warn("a table of free space is not in order of size, as libgdbm up to 1.15 left them")
	}
}

func (v *verifier) describe(e extent) string {
	switch e.owner {
	case freeSpace:
		return "free space"
	case freeTable:
		return "a table of free space"
	case structure:
		return "a bucket, the directory or the header"
	}
	p := &v.places[e.owner]
	return fmt.Sprintf("slot %d of bucket %d", p.number, p.slot.bucket)
}

// checkNext looks at the end of the file that the header tells. A file that goes on
// behind it was told as damage.
func (v *verifier) checkNext() {
	if end := uint64(len(v.data)); v.next > end && v.next <= v.maxFile() {
		v.warn("the file ends at byte %d, the header says %d: cut short, or left so by libgdbm up to 1.14", end, v.next)
	}
	if v.next%uint64(v.blockSize) != 0 {
		v.warn("the file ends at byte %d, not at the end of a block of %d", v.next, v.blockSize)
	}
}

// checkChars warns of a file that came from a machine of another kind.
func (v *verifier) checkChars() {
	if c := v.chars(); c != UsualChars && c != usualChars(v.order) {
		v.warn("keys that are not ASCII are hashed with %v chars: libgdbm on machines that have %v ones does not find them", c, usualChars(v.order))
	}
}
