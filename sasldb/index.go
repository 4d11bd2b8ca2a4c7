package sasldb

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"github.com/saslkit/saslkit/internal/prefetch"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// An index is what logins need of a file, in two pieces of memory without
// pointers: a million users are no work for the garbage collector, and take little
// more than half of what the file takes on disk. It is not changed once it is made.
//
// The arena holds entries one after the other, each
//
//	uvarint  length of the name, never 0
//	         the name: user NUL realm
//	1        the mark: what the entry says of the user
//	uvarint  length of the value
//	         the value, as it is in the file
//
// They lie in buckets by the hash of the name, three or four in each, and starts says
// where each begins, and at last where the arena ends. A bucket that is not full ends
// with a 0. So a look-up waits for memory about once: starts is small, and what
// follows in a bucket comes with its beginning. The hash is seeded, so that nobody
// can choose names that fill one bucket.
type index struct {
	secret.Opaque
	seed     maphash.Seed
	starts   []uint32
	arena    []byte
	coverage verifier.Coverage
	decoy    verifier.Secret // of what most users have; not to be changed
}

// bucketShare is how many bytes of the file there are for each bucket: a user takes
// 70 to 110 of them. The smallest records make buckets of thirty.
const bucketShare = 256

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

// cutEntry returns the first entry of a bucket and what follows it, or false.
func cutEntry(b []byte) (e entry, rest []byte, ok bool) {
	if len(b) == 0 || b[0] == 0 {
		return entry{}, b, false
	}
	n, width := binary.Uvarint(b)
	b = b[width:]
	e.name, b = b[:n:n], b[n:]
	e.mark, b = mark(b[0]), b[1:]
	n, width = binary.Uvarint(b)
	b = b[width:]
	e.value, b = b[:n:n], b[n:]
	return e, b, true
}

// place returns the number of the bucket for a name.
func (ix *index) place(name []byte) int {
	hash := uint64(uint32(maphash.Bytes(ix.seed, name)))
	return int(hash * uint64(len(ix.starts)-1) >> 32)
}

// bucket returns the bytes of a bucket.
func (ix *index) bucket(n int) []byte { return ix.arena[ix.starts[n]:ix.starts[n+1]:ix.starts[n+1]] }

// bucketOf returns the bucket for a name.
func (ix *index) bucketOf(name []byte) []byte { return ix.bucket(ix.place(name)) }

// fetch asks for the memory that a look-up of the name will want: in a file of a
// million users waiting for it takes as long as a stat.
func (ix *index) fetch(name []byte) {
	const line = 64 // bytes
	bucket := ix.bucketOf(name)
	for at := 0; at < min(len(bucket), 4*line); at += line {
		prefetch.Line(&bucket[at])
	}
}

// find returns the next entry of a user in the rest of a bucket, and what follows it,
// or false and where the entries end.
func find(name, rest []byte) (e entry, after []byte, ok bool) {
	for e, rest, ok = cutEntry(rest); ok && !bytes.Equal(e.name, name); e, rest, ok = cutEntry(rest) {
	}
	return e, rest, ok
}

// user adds what the index has of a user.
func (ix *index) user(name []byte, u *holdings) {
	for e, rest, ok := find(name, ix.bucketOf(name)); ok; e, rest, ok = find(name, rest) {
		u.add(e)
	}
}

// agrees reports whether both indexes know the user and say the same of them.
func (ix *index) agrees(other *index, name []byte) bool {
	return ix.within(other, name) && other.within(ix, name)
}

// within reports whether the user is known and whatever ix says of them other says
// too.
func (ix *index) within(other *index, name []byte) bool {
	known := false
	for e, rest, ok := find(name, ix.bucketOf(name)); ok; e, rest, ok = find(name, rest) {
		if known = other.has(e); !known {
			return false
		}
	}
	return known
}

// has reports whether an entry like e is there.
func (ix *index) has(e entry) bool {
	for o, rest, ok := find(e.name, ix.bucketOf(e.name)); ok; o, rest, ok = find(e.name, rest) {
		if o.mark == e.mark && secret.Equal(e.value, o.value) {
			return true
		}
	}
	return false
}
