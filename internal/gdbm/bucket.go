package gdbm

import (
	"iter"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A bucket is a bucket of the file and the entries of the directory that lead to
// it, which are neighbours.
type bucket struct {
	first, last uint32
	at          uint64
	bytes       []byte // alias the file
}

// A slot is an occupied slot of a bucket: a record, judged by its slot alone.
type slot struct {
	bucket uint32 // its first entry in the directory
	number uint32
	hash   uint32
	key    uint32 // bytes; the value follows the key
	value  uint32 // bytes
	at     uint64
}

func (s *slot) end() uint64 { return s.at + uint64(s.key) + uint64(s.value) }

func (s *slot) damaged(reason string, args ...any) *dbm.DamageError {
	return damagedBucket(s.bucket, "slot %d "+reason, append([]any{s.number}, args...)...)
}

// dirEntry returns an entry of the directory, the offset of a bucket.
func (f *File) dirEntry(i uint32) uint64 {
	return f.getOffset(f.order, f.data[f.dir+uint64(i)*uint64(f.offset):])
}

// dirEntries returns their number; it fits because of maxDirSize.
func (f *File) dirEntries() uint32 { return 1 << f.dirBits }

// bits returns how many bits of a hash the bucket was chosen by, count how many
// slots it says are occupied.
func (f *File) bits(b *bucket) uint32  { return f.order.Uint32(b.bytes[f.bitsAt():]) }
func (f *File) count(b *bucket) uint32 { return f.order.Uint32(b.bytes[f.bitsAt()+4:]) }

// slotBytes returns the bytes of a slot.
func (f *File) slotBytes(b *bucket, n uint32) []byte {
	return b.bytes[f.slotsAt()+int(n)*f.slotSize():][:f.slotSize()]
}

func (f *File) slotHash(b *bucket, n uint32) uint32 {
	return f.order.Uint32(f.slotBytes(b, n))
}

// cutSlot reads a slot without judging it.
func (f *File) cutSlot(b *bucket, n uint32) slot {
	bytes := f.slotBytes(b, n)
	return slot{
		bucket: b.first,
		number: n,
		hash:   f.order.Uint32(bytes),
		at:     f.getOffset(f.order, bytes[recordAt:]),
		key:    f.order.Uint32(bytes[recordAt+f.offset:]),
		value:  f.order.Uint32(bytes[recordAt+f.offset+4:]),
	}
}

// slots gives the occupied slots of a bucket, each with the number of occupied
// ones that end with it. A look-up begins at a key's home, the slot hash modulo
// slots, and goes on, from the last slot to the first, until it meets an empty
// one: it comes to a slot only if all from home to there are occupied.
func (f *File) slots(b *bucket) iter.Seq2[slot, uint32] {
	return func(yield func(slot, uint32) bool) {
		run := uint32(0)
		for run < f.elems && f.slotHash(b, f.elems-1-run) != emptySlot {
			run++
		}
		for n := range f.elems {
			if f.slotHash(b, n) == emptySlot {
				run = 0
				continue
			}
			run++
			if !yield(f.cutSlot(b, n), run) {
				return
			}
		}
	}
}

// checkSlot looks whether a look-up would come to the slot and what it refers to
// is in the file.
func (f *File) checkSlot(b *bucket, s *slot, run uint32) *dbm.DamageError {
	if s.hash > hashMask {
		return s.damaged("has hash %#x, which is none", s.hash)
	}
	if entry := s.hash >> (hashBits - f.dirBits); entry < b.first || entry > b.last {
		return s.damaged("belongs to the bucket of directory entry %d", entry)
	}
	if home := s.hash % f.elems; (s.number+f.elems-home)%f.elems >= run {
		return s.damaged("is out of reach from slot %d, where a look-up begins", home)
	}
	size := uint64(len(f.data))
	if s.key > maxRecord || s.value > maxRecord || s.at > size || s.end() > size {
		return s.damaged("has a key of %d bytes and a value of %d at byte %d, the file ends at byte %d", s.key, s.value, s.at, size)
	}
	return nil
}

// record returns the record of a slot that checkSlot found sound, and the chars
// that its hash was made with, if its key is one that belongs there.
func (f *File) record(b *bucket, s *slot) (dbm.Record, Chars, *dbm.DamageError) {
	key, value, end := s.at, s.at+uint64(s.key), s.end()
	r := dbm.Record{Key: f.data[key:value:value], Value: f.data[value:end:end]}
	start := f.slotBytes(b, s.number)[keyStartAt:][:keyStartSize]
	if n := min(len(r.Key), keyStartSize); string(r.Key[:n]) != string(start[:n]) {
		return dbm.Record{}, 0, s.damaged("has a key that begins otherwise than the slot says")
	}
	chars, ok := charsOf(r.Key, s.hash)
	if !ok {
		return dbm.Record{}, 0, s.damaged("has hash %#x, which is not that of its key", s.hash)
	}
	return r, chars, nil
}
