package bdb

import (
	"fmt"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A walk goes through buckets. It visits a page once, whatever chain leads there,
// so that all walking together is bounded by the pages of the file.
type walk struct {
	*File
	used   dbm.Set
	faults dbm.Faults
	items  []item // of the page being visited
}

func (f *File) newWalk() *walk { return &walk{File: f, used: dbm.NewSet(f.pages)} }

// chain visits the hash pages of a bucket and notes what is wrong with them. A
// page whose items are out of place is passed over, for the rest of the chain may
// be sound; a page that is not to be trusted at all ends it.
func (w *walk) chain(bucket uint32, visit func(page, []item)) {
	first := w.bucketPage(bucket)
	if first >= uint64(w.pages) {
		w.faults.Add(damaged(uint32(first), "past the end of the file, where bucket %d starts", bucket))
		return
	}
	for n, from := uint32(first), uint32(0); ; {
		p, err := w.chained(n, from)
		if err != nil {
			w.faults.Add(err)
			return
		}
		if p.hole {
			return
		}
		w.visit(p, visit)
		if p.next == 0 {
			return
		}
		n, from = p.next, n
	}
}

// chained returns page n of a chain, to which page from led; 0 means that it is
// the first. Only the first page of a bucket may be a hole.
func (w *walk) chained(n, from uint32) (page, *dbm.DamageError) {
	p, err := w.page(n)
	if err != nil {
		if n < w.pages {
			w.used.Add(n) // told once is enough
		}
		if from != 0 {
			err.Reason += reachedFrom(from)
		}
		return page{}, err
	}
	switch {
	case from != 0 && w.startsBucket(n):
		return page{}, damaged(n, "starts a bucket, yet is the next of page %d", from)
	case p.hole && from != 0:
		return page{}, damaged(n, "zero from end to end%s", reachedFrom(from))
	case !p.hole && !p.isHash():
		return page{}, damaged(n, "type is %s, expected hash%s", typeName(p.typ), reachedFrom(from))
	case !w.used.Add(n):
		return page{}, damaged(n, "met a second time%s", reachedFrom(from))
	}
	return p, nil
}

func (w *walk) visit(p page, visit func(page, []item)) {
	items, err := w.File.items(p, w.items[:0])
	if err != nil {
		w.faults.Add(err)
		return
	}
	w.items = items
	if err := w.checkCount(p, items); err != nil {
		w.faults.Add(err)
	}
	visit(p, items)
}

// reachedFrom ends the description of a page that a chain led to.
func reachedFrom(from uint32) string {
	if from == 0 {
		return ""
	}
	return fmt.Sprintf(" (next of page %d)", from)
}
