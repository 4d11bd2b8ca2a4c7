package lmdb

import (
	"fmt"

	"github.com/saslkit/saslkit/internal/dbm"
)

func kindName(kind uint16) string {
	switch kind {
	case kindBranch:
		return "branch"
	case kindLeaf:
		return "leaf"
	case kindOverflow:
		return "overflow"
	case kindMeta:
		return "metadata"
	}
	return fmt.Sprintf("unknown kind %#x", kind)
}

// A page is any page but the metadata. Its bytes alias the file.
type page struct {
	number uint32
	bytes  []byte
	kind   uint16
	lower  int    // end of the offsets
	upper  int    // begin of the nodes
	run    uint32 // pages, in place of lower and upper if the kind is overflow
}

// A link is where the number of a page stands: a node, or for -1 the root in the
// metadata.
type link struct {
	page uint32
	node int
}

// damaged says what is wrong there: "node 3 …".
func (l link) damaged(reason string, args ...any) *dbm.DamageError {
	where := "the root"
	if l.node >= 0 {
		where = fmt.Sprintf("node %d", l.node)
	}
	return damaged(l.page, "%s %s", where, fmt.Sprintf(reason, args...))
}

// cut returns the bytes of page n, which is in the file.
func (f *File) cut(n uint32) []byte {
	return f.data[int(n)*f.pageSize:][:f.pageSize:f.pageSize]
}

// page returns page n, to which from led, if it is in the file, knows its own
// number, and is of the expected kind. A page that says it is another one was
// written to a wrong place, or not at all yet.
func (f *File) page(from link, n uint64, kind uint16) (page, *dbm.DamageError) {
	switch {
	case n < metaPages:
		return page{}, from.damaged("leads to page %d, which is metadata", n)
	case n > f.last:
		return page{}, from.damaged("leads to page %d, the last is page %d", n, f.last)
	case n >= uint64(f.pages):
		return page{}, from.damaged("leads to page %d, the file ends after %d pages", n, f.pages)
	}
	b := f.cut(uint32(n))
	at := f.word + 2
	p := page{
		number: uint32(n),
		bytes:  b,
		kind:   f.order.Uint16(b[at:]),
		lower:  int(f.order.Uint16(b[at+2:])),
		upper:  int(f.order.Uint16(b[at+4:])),
		run:    f.order.Uint32(b[at+2:]),
	}
	if own := f.number(b); own != n {
		return page{}, damaged(p.number, "says that it is page %d%s", own, from)
	}
	if p.kind != kind {
		return page{}, damaged(p.number, "kind is %s, expected %s%s", kindName(p.kind), kindName(kind), from)
	}
	return p, nil
}

// String ends the description of a page that was reached by the link.
func (l link) String() string {
	if l.node < 0 {
		return " (the root)"
	}
	return fmt.Sprintf(" (reached from page %d)", l.page)
}
