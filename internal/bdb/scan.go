package bdb

import (
	"bytes"
	"slices"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Scan implements dbm.File, bucket by bucket. It takes a bit for each page and the
// pairs of the fullest bucket; only with an unknown hash function, when one key may
// be in two buckets, as much as Records.
func (f *File) Scan(visit func(key, value []byte)) *dbm.DamageError {
	if f.cut != nil {
		return f.cut
	}
	if f.hash == nil {
		return f.scanRecords(visit)
	}
	s := scanner{walk: f.newWalk()}
	for _, r := range f.bucketRuns() {
		for i := range r.last - r.first + 1 {
			if err := s.scanBucket(r.first+i, visit); err != nil {
				return err
			}
		}
	}
	return s.stranded()
}

// A scanner holds the pairs of one bucket.
type scanner struct {
	*walk
	pairs []scanned
}

type scanned struct {
	dbm.Record
	key item
}

// scanBucket visits one bucket. Two records with one key are neighbours once it is
// sorted: both are here, for anywhere else they would be damage by themselves.
func (s *scanner) scanBucket(bucket uint32, visit func(key, value []byte)) *dbm.DamageError {
	s.pairs = s.pairs[:0]
	s.chain(bucket, func(_ page, items []item) {
		for i := 0; i+1 < len(items); i += 2 {
			r, err := s.read(bucket, items[i], items[i+1], s.used.Add)
			if err != nil {
				s.faults.Add(err)
				return
			}
			s.pairs = append(s.pairs, scanned{r, items[i]})
		}
	})
	if faults := s.faults.All(); faults != nil {
		return faults[0]
	}
	slices.SortFunc(s.pairs, func(a, b scanned) int { return bytes.Compare(a.Key, b.Key) })
	for i, p := range s.pairs {
		if i > 0 && bytes.Equal(s.pairs[i-1].Key, p.Key) {
			return p.key.damaged("has a key that was met before")
		}
		visit(p.Key, p.Value)
	}
	return nil
}

func (s *scanner) stranded() *dbm.DamageError {
	for n := uint32(1); n < s.pages; n++ {
		if err := s.strandedPage(n); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) scanRecords(visit func(key, value []byte)) *dbm.DamageError {
	records, faults := f.Records()
	if faults != nil {
		return faults[0]
	}
	for _, r := range records {
		visit(r.Key, r.Value)
	}
	return nil
}
