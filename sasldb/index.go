package sasldb

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

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

// A probe goes through the slots at which a name may be.
type probe struct {
	ix   *index
	name []byte
	slot int
	tag  uint64 // the upper half of the hash
}

func (ix *index) probe(name []byte) probe {
	h := maphash.Bytes(ix.seed, name)
	first := uint64(uint32(h)) * uint64(len(ix.table)) >> 32
	return probe{ix, name, int(first), h >> 32 << 32}
}

// next returns the next entry with the name, and where in the arena it is. Without
// one the probe stands at an empty slot, which always exists.
func (p *probe) next() (e entry, offset int, ok bool) {
	for {
		slot := p.ix.table[p.slot]
		if slot == 0 {
			return entry{}, 0, false
		}
		if p.slot++; p.slot == len(p.ix.table) {
			p.slot = 0
		}
		if slot>>32<<32 != p.tag {
			continue
		}
		offset = int(uint32(slot)) - 1
		if e, _ = p.ix.at(offset); bytes.Equal(e.name, p.name) {
			return e, offset, true
		}
	}
}

// user returns what the index has of a user.
func (ix *index) user(name []byte) (u holdings) {
	p := ix.probe(name)
	for e, _, ok := p.next(); ok; e, _, ok = p.next() {
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
	p := ix.probe(name)
	for e, _, ok := p.next(); ok; e, _, ok = p.next() {
		if known = other.has(e); !known {
			return false
		}
	}
	return known
}

// has reports whether an entry like e is there.
func (ix *index) has(e entry) bool {
	p := ix.probe(e.name)
	for o, _, ok := p.next(); ok; o, _, ok = p.next() {
		if o.mark == e.mark && secret.Equal(e.value, o.value) {
			return true
		}
	}
	return false
}
