package gdbm

import (
	"iter"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A byteSet remembers bytes of the file, a bit for each.
type byteSet []uint64

func newByteSet(size int) byteSet { return make(byteSet, (uint64(size)+63)/64) }

// add puts the bytes from one offset to another into the set and returns false as
// soon as it meets one that was there. What it put in before it leaves there, so
// that all calls together take no more steps than there are bytes.
func (s byteSet) add(from, to uint64) bool {
	for from < to {
		word, n := from/64, min(64-from%64, to-from)
		mask := (^uint64(0) >> (64 - n)) << (from % 64)
		if s[word]&mask != 0 {
			return false
		}
		s[word] |= mask
		from += n
	}
	return true
}

// A walk goes through the buckets. Each is visited once and none overlaps another
// one, the header or the directory, so that all walking is bounded by the file.
type walk struct {
	*File
	used   byteSet
	faults dbm.Faults
}

func (f *File) newWalk() *walk {
	w := &walk{File: f, used: newByteSet(len(f.data))}
	w.used.add(0, uint64(f.blockSize))
	w.used.add(f.dir, f.dir+f.dirSize(f.dirBits))
	w.checkEnd()
	w.checkAvailTable()
	return w
}

// checkEnd looks at the end of the file. That it ends early is no damage by
// itself: libgdbm up to 1.14 promised blocks that it had not written.
func (w *walk) checkEnd() {
	end := uint64(len(w.data))
	switch {
	case w.next > w.maxFile(): // negative in C
		w.faults.Add(damagedHeader("the header says that the file ends at byte %d, the format ends at %d", w.next, w.maxFile()))
	case end > w.next:
		w.faults.Add(damagedHeader("the file goes on to byte %d, the header says %d: a change was interrupted, libgdbm wants to recover the file", end, w.next))
	}
}

// buckets gives the sound buckets in the order of the directory and notes what is
// wrong with the others.
func (w *walk) buckets() iter.Seq[*bucket] {
	return func(yield func(*bucket) bool) {
		entries := w.dirEntries()
		for first := uint32(0); first < entries; {
			b := bucket{first: first, last: first, at: w.dirEntry(first)}
			for b.last+1 < entries && w.dirEntry(b.last+1) == b.at {
				b.last++
			}
			if err := w.open(&b); err != nil {
				w.faults.Add(err)
			} else if !yield(&b) {
				return
			}
			first = b.last + 1
		}
	}
}

// open looks at a bucket as a whole. The limits are those of libgdbm, which reads
// nothing of a bucket that goes beyond them.
func (w *walk) open(b *bucket) *dbm.DamageError {
	size, end := uint64(w.blockSize), uint64(len(w.data))
	if b.at < size || b.at > end || end-b.at < size {
		return damagedBucket(b.first, "begins at byte %d, the file ends at byte %d", b.at, end)
	}
	if !w.used.add(b.at, b.at+size) {
		return damagedBucket(b.first, "at byte %d overlaps another one, the directory or the header, or was met before", b.at)
	}
	b.bytes = w.data[b.at : b.at+size : b.at+size]
	if bits := w.bits(b); bits > w.dirBits {
		return damagedBucket(b.first, "has %d bits, the directory has %d", bits, w.dirBits)
	}
	if count := w.count(b); count > w.elems {
		return damagedBucket(b.first, "counts %d records in %d slots", count, w.elems)
	}
	return nil
}

// checkBucket notes what is wrong with a bucket but does not make its records
// doubtful.
func (w *walk) checkBucket(b *bucket, occupied uint32) {
	if count := w.count(b); count != occupied {
		w.faults.Add(damagedBucket(b.first, "counts %d records, %d slots are occupied", count, occupied))
	}
	w.checkAvailOf(b)
}
