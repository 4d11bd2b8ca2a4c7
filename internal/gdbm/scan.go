package gdbm

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Scan implements dbm.File, bucket by bucket. It takes a bit for each byte of the
// file and the records of one bucket.
func (f *File) Scan(visit func(key, value []byte)) *dbm.DamageError {
	s := scanner{walk: f.newWalk()}
	for b := range s.buckets() {
		s.scanBucket(b)
		if s.faults.Len() > 0 {
			break
		}
		for _, r := range s.records {
			visit(r.Key, r.Value)
		}
	}
	if faults := s.faults.All(); faults != nil {
		return faults[0]
	}
	return nil
}

// A scanner holds the records of one bucket.
type scanner struct {
	*walk
	records []scanned
	chars   Chars // of all keys so far
}

type scanned struct {
	dbm.Record
	slot slot
}

// scanBucket reads a bucket until it meets damage. Two records with one key are
// neighbours once it is sorted: both are here, for anywhere else they would be
// damage by themselves.
func (s *scanner) scanBucket(b *bucket) {
	s.records = s.records[:0]
	occupied := uint32(0)
	for slot, run := range s.slots(b) {
		occupied++
		r, err := s.scanSlot(b, &slot, run)
		if err != nil {
			s.faults.Add(err)
			return
		}
		s.records = append(s.records, scanned{r, slot})
	}
	s.checkBucket(b, occupied)
	slices.SortFunc(s.records, func(a, b scanned) int {
		return cmp.Or(cmp.Compare(a.slot.hash, b.slot.hash), bytes.Compare(a.Key, b.Key))
	})
	for i := 1; i < len(s.records); i++ {
		if bytes.Equal(s.records[i-1].Key, s.records[i].Key) {
			s.faults.Add(s.records[i].slot.damaged("has a key that was met before"))
			return
		}
	}
}

func (s *scanner) scanSlot(b *bucket, slot *slot, run uint32) (dbm.Record, *dbm.DamageError) {
	if err := s.checkSlot(b, slot, run); err != nil {
		return dbm.Record{}, err
	}
	if !s.used.add(slot.at, slot.end()) {
		return dbm.Record{}, slot.damaged("overlaps another record, a bucket, the directory or the header")
	}
	r, chars, err := s.record(b, slot)
	if err != nil {
		return dbm.Record{}, err
	}
	if s.chars == UsualChars {
		s.chars = chars
	} else if chars != UsualChars && chars != s.chars {
		return dbm.Record{}, slot.otherChars(chars)
	}
	return r, nil
}

// otherChars tells of a key that is hashed otherwise than the others: each machine
// finds a part of the records only.
func (s *slot) otherChars(c Chars) *dbm.DamageError {
	return s.damaged("has a key hashed with %v chars, unlike others: the file was changed on two kinds of machines", c)
}
