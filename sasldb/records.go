package sasldb

import (
	"bytes"
	"hash/maphash"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Lists of records in the order of their keys, no key twice. A list is not changed
// once it is made.
type recordList []dbm.Record

func newRecordList(records []dbm.Record) recordList {
	slices.SortFunc(records, func(a, b dbm.Record) int { return bytes.Compare(a.Key, b.Key) })
	return records
}

// An edit sets the value of one key, or takes the key away.
type edit struct {
	key   []byte
	value []byte
	gone  bool
}

// withPrefix returns the records whose keys begin so.
func (l recordList) withPrefix(prefix []byte) recordList {
	i, _ := l.search(prefix)
	n := i
	for n < len(l) && bytes.HasPrefix(l[n].Key, prefix) {
		n++
	}
	return l[i:n]
}

func (l recordList) search(key []byte) (int, bool) {
	return slices.BinarySearchFunc(l, key, func(r dbm.Record, key []byte) int { return bytes.Compare(r.Key, key) })
}

// holds reports whether e would change nothing.
func (l recordList) holds(e edit) bool {
	i, found := l.search(e.key)
	return found != e.gone && (e.gone || bytes.Equal(l[i].Value, e.value))
}

// patch returns the list with edits applied, which are in the order of their keys.
func (l recordList) patch(edits []edit) recordList {
	if len(edits) == 0 {
		return l
	}
	patched := make(recordList, 0, len(l)+len(edits))
	for _, e := range edits {
		n, found := l.search(e.key)
		patched = append(patched, l[:n]...)
		if l = l[n:]; found {
			l = l[1:]
		}
		if !e.gone {
			patched = append(patched, dbm.Record{Key: e.key, Value: e.value})
		}
	}
	return append(patched, l...)
}

// diff returns the edits that make newer of older.
func diff(older, newer recordList) (edits []edit) {
	for len(older) > 0 || len(newer) > 0 {
		switch order := compareFirst(older, newer); {
		case order < 0:
			edits = append(edits, edit{key: older[0].Key, gone: true})
			older = older[1:]
		case order > 0:
			edits = append(edits, edit{key: newer[0].Key, value: newer[0].Value})
			newer = newer[1:]
		default:
			if !bytes.Equal(older[0].Value, newer[0].Value) {
				edits = append(edits, edit{key: newer[0].Key, value: newer[0].Value})
			}
			older, newer = older[1:], newer[1:]
		}
	}
	return edits
}

// compareFirst says which of two lists, one of them not empty, has the lower first
// key; the end of a list comes after every key.
func compareFirst(a, b recordList) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return bytes.Compare(a[0].Key, b[0].Key)
}

// A fingerprint is a number for a set of records that does not depend on their
// order.
type fingerprint struct {
	seed  maphash.Seed
	count int
	sum   uint64
}

func newFingerprint() fingerprint { return fingerprint{seed: maphash.MakeSeed()} }

func (f *fingerprint) add(key, value []byte) {
	f.count++
	f.sum += maphash.Comparable(f.seed, [2]uint64{maphash.Bytes(f.seed, key), maphash.Bytes(f.seed, value)})
}
