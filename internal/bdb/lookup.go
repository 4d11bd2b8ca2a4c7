package bdb

import "bytes"

// Lookup returns the value of key. Where the bytes of the value are, and to whom
// they belong, is as with Records. It reads the pages of one bucket from end to
// end rather than by bisection, so that the order of entries does not matter.
//
// Any fault on these pages is an error, a *DamageError, even if a value was seen:
// the key might be there twice. In a file made with a foreign hash function every
// page must be read.
func (f *File) Lookup(key []byte) (value []byte, found bool, err error) {
	if f.hash == nil {
		return f.search(key)
	}
	s := seeker{walk: f.newWalk(), want: key}
	s.chain(f.bucket(f.hash(key)), s.visitPage)
	if faults := s.faults.all(); faults != nil {
		return nil, false, faults[0]
	}
	return s.got, s.got != nil, nil
}

// search looks at every record.
func (f *File) search(key []byte) (value []byte, found bool, err error) {
	records, faults := f.Records()
	if faults != nil {
		return nil, false, faults[0]
	}
	for _, r := range records {
		if bytes.Equal(r.Key, key) {
			return r.Value, true, nil
		}
	}
	return nil, false, nil
}

// A seeker walks one bucket for one key.
type seeker struct {
	*walk
	want []byte
	got  []byte // nil until found
}

func (s *seeker) visitPage(_ page, items []item) {
	for i := 0; i+1 < len(items); i += 2 {
		same, err := s.same(items[i])
		if err != nil {
			s.faults.add(err)
		}
		if same {
			s.meet(items[i], items[i+1])
		}
	}
}

// same compares the key with an item. An off-page key is read only if its length
// is right.
func (s *seeker) same(it item) (bool, *DamageError) {
	if n, ok := s.offPageLength(it); ok && uint64(n) != uint64(len(s.want)) {
		return false, nil
	}
	key, err := s.key(it, s.used.add)
	return err == nil && bytes.Equal(key, s.want), err
}

func (s *seeker) meet(key, value item) {
	if s.got != nil {
		s.faults.add(key.damaged("has a key that was met before"))
		return
	}
	v, err := s.value(value, s.used.add)
	if err != nil {
		s.faults.add(err)
		return
	}
	s.got = v
}
