package sasldb

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"iter"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// An index is what logins need of a file, in two pieces of memory without
// pointers: a million users are no work for the garbage collector, and take half
// the memory that the file takes on disk. It is not changed once it is made.
//
// The arena holds entries one after the other, each
//
//	uvarint  length of the name
//	         the name: user NUL realm
//	1        the mark: what the entry says of the user
//	uvarint  length of the value
//	         the value, as it is in the file
//
// The table has a slot for each entry and half as many more. A slot is 0 or has 32
// bits of the hash of the name above the offset of the entry, counted from 1. The
// other 32 bits of the hash say at which slot to begin. All entries with that name
// are met by going on from there to the next 0. The hash is seeded, so that nobody
// can choose names that collide.
type index struct {
	secret.Opaque
	seed     maphash.Seed
	arena    []byte
	table    []uint64
	coverage verifier.Coverage
}

// An entry is one property of one user. It aliases the arena or the file.
type entry struct {
	name  []byte
	mark  mark
	value []byte // of a property that serves logins
}

// A mark is the place in loginProperties, counted from 1, of the property that the
// value is of; 0 if it serves no login and the entry only says that the user exists.
type mark byte

// markDisabled is set if the property had disabledPrefix.
const markDisabled mark = 0x80

func (m mark) disabled() bool { return m&markDisabled != 0 }

// property returns the place in loginProperties, or -1.
func (m mark) property() int { return int(m&^markDisabled) - 1 }

func markOf(name []byte) (m mark) {
	name, disabled := cutDisabled(name)
	for i, property := range loginProperties {
		if property == string(name) {
			m = mark(i + 1)
		}
	}
	if disabled {
		m |= markDisabled
	}
	return m
}

// entryOf turns a record into an entry. It returns false for what no login can
// ask for: foreign records and those of the empty name.
func entryOf(key, value []byte) (e entry, ok bool) {
	authid, realm, property, ok := cutKey(key)
	if !ok || len(authid) == 0 {
		return entry{}, false
	}
	e = entry{name: key[:len(authid)+1+len(realm)], mark: markOf(property)}
	if e.mark.property() >= 0 {
		e.value = value
	}
	return e, true
}

// appendName appends the name of a user as it is in an entry. A NUL in either
// part, which no login should bring, makes a name that no entry has.
func appendName(b []byte, user, realm string) []byte {
	b = append(b, user...)
	b = append(b, 0)
	return append(b, realm...)
}

// size returns the bytes that the entry takes in the arena.
func (e entry) size() uint64 {
	var b [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(b[:], uint64(len(e.name))) + binary.PutUvarint(b[:], uint64(len(e.value)))
	return uint64(n) + uint64(len(e.name)) + 1 + uint64(len(e.value))
}

func (e entry) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.name)))
	b = append(b, e.name...)
	b = append(b, byte(e.mark))
	b = binary.AppendUvarint(b, uint64(len(e.value)))
	return append(b, e.value...)
}

// at returns the entry at an offset of the arena, and the offset of the next.
func (ix *index) at(offset int) (e entry, next int) {
	cut := func() []byte {
		n, width := binary.Uvarint(ix.arena[offset:])
		from := offset + width
		offset = from + int(n)
		return ix.arena[from:offset:offset]
	}
	e.name = cut()
	e.mark = mark(ix.arena[offset])
	offset++
	e.value = cut()
	return e, offset
}

// probe yields the slots at which something with the name may be, and at last an
// empty one, which always exists.
func (ix *index) probe(name []byte) iter.Seq2[*uint64, uint64] {
	return func(yield func(slot *uint64, tag uint64) bool) {
		h := maphash.Bytes(ix.seed, name)
		tag := h >> 32 << 32
		n := uint64(len(ix.table))
		for i := uint64(uint32(h)) * n >> 32; ; i++ {
			if i == n {
				i = 0
			}
			slot := &ix.table[i]
			if (*slot == 0 || *slot>>32<<32 == tag) && !yield(slot, tag) || *slot == 0 {
				return
			}
		}
	}
}

// entries yields what the index has of a user, and where in the arena it is.
func (ix *index) entries(name []byte) iter.Seq2[int, entry] {
	return func(yield func(int, entry) bool) {
		for slot := range ix.probe(name) {
			if *slot == 0 {
				return
			}
			offset := int(uint32(*slot)) - 1
			if e, _ := ix.at(offset); bytes.Equal(e.name, name) && !yield(offset, e) {
				return
			}
		}
	}
}

// user returns what the index has of a user.
func (ix *index) user(name []byte) (u holdings) {
	for _, e := range ix.entries(name) {
		u.add(e)
	}
	return u
}

// agrees reports whether both indexes know the user and say the same of them.
func (ix *index) agrees(other *index, name []byte) bool {
	return ix.within(other, name) && other.within(ix, name)
}

// within reports whether the user is known and whatever ix says of them other says
// too.
func (ix *index) within(other *index, name []byte) bool {
	known := false
	for _, e := range ix.entries(name) {
		known = true
		same := false
		for _, o := range other.entries(name) {
			same = same || e.mark == o.mark && secret.Equal(e.value, o.value)
		}
		if !same {
			return false
		}
	}
	return known
}
