package sasldb

import (
	"bytes"
	"hash/maphash"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A recordList holds records in any order, no key twice. It is not changed once it
// is made. Lists are long and edits few, so what is done with both goes through the
// list once and looks keys up among the edits.
type recordList []dbm.Record

// An edit sets the value of one key, or takes the key away.
type edit struct {
	key   []byte
	value []byte
	gone  bool
}

// edits are in the order of their keys, no key twice.
type edits []edit

// newEdits brings edits in order. Of those of one key the last one counts.
func newEdits(list []edit) edits {
	byKey := func(a, b edit) int { return bytes.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(list, byKey) {
		slices.SortStableFunc(list, byKey)
	}
	n := 0
	for i, e := range list {
		if i+1 == len(list) || !bytes.Equal(e.key, list[i+1].key) {
			list[n] = e
			n++
		}
	}
	return list[:n]
}

func (es edits) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(es, key, func(e edit, key []byte) int { return bytes.Compare(e.key, key) })
}

// withPrefix returns the records whose keys begin so.
func (l recordList) withPrefix(prefix []byte) (found recordList) {
	for _, r := range l {
		if bytes.HasPrefix(r.Key, prefix) {
			found = append(found, r)
		}
	}
	return found
}

// patch returns the list with edits applied.
func (l recordList) patch(es edits) recordList {
	if len(es) == 0 {
		return l
	}
	patched := make(recordList, 0, len(l)+len(es))
	for _, r := range l {
		if _, edited := es.find(r.Key); !edited {
			patched = append(patched, r)
		}
	}
	for _, e := range es {
		if !e.gone {
			patched = append(patched, dbm.Record{Key: e.key, Value: e.value})
		}
	}
	return patched
}

// lacking returns the edits without those that would change nothing.
func (l recordList) lacking(es edits) edits {
	if len(es) == 0 {
		return nil
	}
	idle := make([]bool, len(es))
	for i, e := range es {
		idle[i] = e.gone
	}
	for _, r := range l {
		if i, found := es.find(r.Key); found {
			idle[i] = !es[i].gone && bytes.Equal(es[i].value, r.Value)
		}
	}
	if !slices.Contains(idle, true) {
		return es
	}
	var left edits
	for i, e := range es {
		if !idle[i] {
			left = append(left, e)
		}
	}
	return left
}

// diff returns the edits that make newer of older.
func diff(older, newer recordList) edits {
	list := make([]edit, 0, len(older)+len(newer))
	for _, r := range older {
		list = append(list, edit{key: r.Key, gone: true})
	}
	for _, r := range newer {
		list = append(list, edit{key: r.Key, value: r.Value})
	}
	return older.lacking(newEdits(list))
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
