package lmdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

// A patient is a small file that tests break. Its leaves are pages 2, with the keys
// a to j, and 3, with k to r and the big values of "s" and "t", which lie on pages
// 5, 6 and 7, 8. Page 4 is the root. Page 9 is a leaf of the free tree that frees
// page 10. Page 1 has the metadata that count.
type patient struct {
	data []byte
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	var records []dbm.Record
	for c := byte('a'); c <= 'r'; c++ {
		records = append(records, dbm.Record{Key: []byte{c}, Value: bytes.Repeat([]byte{c}, 396)})
	}
	for c := byte('s'); c <= 't'; c++ {
		records = append(records, dbm.Record{Key: []byte{c}, Value: bytes.Repeat([]byte{c}, 5000)})
	}
	p := &patient{mustBuild(t, records, standard)}
	p.addFreeTree()
	f := mustOpen(t, p.data)
	if f.pages != 11 || f.meta.page != 1 || f.main.root != 4 || len(p.node(t, 4, 1)) == 0 || string(p.node(t, 3, 0)[8:9]) != "k" {
		t.Fatal("the patient is not what its comment says")
	}
	checkClean(t, f, dbmtest.Map(t, records))
	return p
}

// addFreeTree adds what Build never makes.
func (p *patient) addFreeTree() {
	b := &builder{layout: standard, file: append(p.data, make([]byte, 2*4096)...)}
	s := b.sheet(9, kindLeaf)
	list := standard.appendNumber(standard.appendNumber(nil, 1), 10)
	s.add(uint32(len(list)), 0, standard.appendNumber(nil, 1), list)
	s.seal()
	p.data = b.file
	for page := range 2 {
		p.put16(page, freeAt+6, 1)  // depth
		p.put64(page, freeAt+16, 1) // leaves
		p.put64(page, freeAt+32, 1) // entries
		p.put64(page, freeAt+40, 9) // root
		p.put64(page, lastAt, 10)
	}
}

// Offsets of fields in the metadata.
const (
	freeAt        = 40
	mainAt        = 88
	lastAt        = 136
	transactionAt = 144
)

func (p *patient) put64(page, at int, v uint64) {
	binary.LittleEndian.PutUint64(p.data[page*4096+at:], v)
}

func (p *patient) put32(page, at int, v uint32) {
	binary.LittleEndian.PutUint32(p.data[page*4096+at:], v)
}

func (p *patient) put16(page, at int, v uint16) {
	binary.LittleEndian.PutUint16(p.data[page*4096+at:], v)
}

func (p *patient) get16(page, at int) uint16 {
	return binary.LittleEndian.Uint16(p.data[page*4096+at:])
}

// node returns a page from a node on.
func (p *patient) node(t *testing.T, page, i int) []byte {
	t.Helper()
	return p.data[page*4096+int(p.get16(page, 16+2*i)) : (page+1)*4096]
}

// TestOpenRefuses has a line for every way in which metadata can be wrong.
func TestOpenRefuses(t *testing.T) {
	const format, damage = dbmtest.Refusal, dbmtest.Damage
	both := func(harm func(p *patient, page int)) func(*patient) {
		return func(p *patient) { harm(p, 0); harm(p, 1) }
	}
	for _, test := range []struct {
		name string
		harm func(*patient)
		kind dbmtest.Kind // of the error
		want string       // in its text
	}{
		{"empty", func(p *patient) { p.data = nil }, format, "not an LMDB file"},
		{"magic", func(p *patient) { p.put32(0, 16, 0x12345678) }, format, "not an LMDB file"},
		{"20 bytes", func(p *patient) { p.data = p.data[:20] }, damage, "page 0: the file ends at byte 20, the metadata take 152"},
		{"less than a page", func(p *patient) { p.data = p.data[:4095] }, damage, "page 0: past the end of the file"},
		{"version 2", func(p *patient) { p.put32(0, 20, 2) }, format, "version 2 is unknown"},
		{"version 999", func(p *patient) { p.put32(0, 20, 999) }, format, "version 999 is unknown"},
		{"page size 0", func(p *patient) { p.put32(0, 40, 0) }, damage, "page 0: page size is 0"},
		{"page size 128", func(p *patient) { p.put32(0, 40, 128) }, damage, "page size is 128"},
		{"page size 5000", func(p *patient) { p.put32(0, 40, 5000) }, damage, "page size is 5000"},
		{"page size 65536", func(p *patient) { p.put32(0, 40, 65536) }, damage, "page size is 65536"},
		{"page numbers", both(func(p *patient, page int) { p.put64(page, 0, 7) }), damage, "page 0: says that it is page 7"},
		{"kinds", both(func(p *patient, page int) { p.put16(page, 10, 2) }), damage, "page 0: kind is 0x2"},
		{"roots are metadata", both(func(p *patient, page int) { p.put64(page, mainAt+40, 1) }), damage, "the root of the main tree is page 1"},
		{"roots past the last page", both(func(p *patient, page int) { p.put64(page, mainAt+40, 11) }), damage, "is page 11; the last is page 10"},
		{"roots past the file", both(func(p *patient, page int) { p.put64(page, mainAt+40, 99); p.put64(page, lastAt, 100) }), damage, "the file has 11"},
		{"depths", both(func(p *patient, page int) { p.put16(page, mainAt+6, 33) }), damage, "depth 33"},
		{"no root", both(func(p *patient, page int) { p.put64(page, mainAt+40, 1<<64-1) }), damage, "20 entries in depth 2"},
		{"no entries", both(func(p *patient, page int) { p.put64(page, mainAt+32, 0) }), damage, "0 entries in depth 2"},
		{"duplicates", func(p *patient) { p.put16(1, mainAt+4, 4) }, format, "flags 0x4"},
		{"reversed keys", func(p *patient) { p.put16(1, mainAt+4, 2) }, format, "flags 0x2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.harm(p)
			codec.CheckOpen(t, p.data, test.kind, test.want)
		})
	}
}

// TestDamage has a line for every contradiction between pages. Of the 20 records
// those that are left must be right.
func TestDamage(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(*patient, *testing.T)
		left int
		want string // a fault of Records and Verify
	}{
		{"metadata magic", func(p *patient, _ *testing.T) { p.put32(1, 16, 0) }, 20, "page 1: magic is 0x0 and version 1"},
		{"metadata version", func(p *patient, _ *testing.T) { p.put32(1, 20, 999) }, 20, "page 1: magic is 0xbeefc0de and version 999"},
		{"metadata of page 0", func(p *patient, _ *testing.T) { p.put16(0, 10, 2) }, 20, "page 0: kind is 0x2"},
		{"metadata page sizes", func(p *patient, _ *testing.T) { p.put32(1, 40, 512) }, 20, "page 1: page size is 512, on page 0 it is 4096"},
		{"metadata root", func(p *patient, _ *testing.T) { p.put64(1, mainAt+40, 77) }, 20, "page 1: the root of the main tree is page 77"},
		{"fewer entries", func(p *patient, _ *testing.T) { p.put64(1, mainAt+32, 19) }, 20, "page 1: counts 19 entries, there are 20"},
		{"more entries", func(p *patient, _ *testing.T) { p.put64(1, mainAt+32, 21) }, 20, "page 1: counts 21 entries, there are 20"},
		{"depth too low", func(p *patient, _ *testing.T) { p.put16(1, mainAt+6, 1) }, 0, "page 4: kind is branch, expected leaf (the root)"},
		{"depth too high", func(p *patient, _ *testing.T) { p.put16(1, mainAt+6, 3) }, 0, "page 2: kind is leaf, expected branch (reached from page 4)"},
		{"root a leaf", func(p *patient, _ *testing.T) { p.put64(1, mainAt+40, 2) }, 0, "page 2: kind is leaf, expected branch (the root)"},
		{"last page too low", func(p *patient, _ *testing.T) { p.put64(1, lastAt, 7) }, 19, "page 3: node 9 has a value up to page 8, the last is page 7"},

		{"own number", func(p *patient, _ *testing.T) { p.put64(2, 0, 3) }, 10, "page 2: says that it is page 3 (reached from page 4)"},
		{"kind", func(p *patient, _ *testing.T) { p.put16(2, 10, 0x62) }, 10, "page 2: kind is unknown kind 0x62, expected leaf"},
		{"dirty", func(p *patient, _ *testing.T) { p.put16(2, 10, 0x12) }, 10, "page 2: kind is unknown kind 0x12"},
		{"zeroed page", func(p *patient, _ *testing.T) { clear(p.data[2*4096 : 3*4096]) }, 10, "page 2: says that it is page 0"},
		{"offsets end in the header", func(p *patient, _ *testing.T) { p.put16(2, 12, 14) }, 10, "page 2: offsets end at byte 14"},
		{"offsets end odd", func(p *patient, _ *testing.T) { p.put16(2, 12, p.get16(2, 12)+1) }, 10, "page 2: offsets end at byte 37"},
		{"offsets end in the nodes", func(p *patient, _ *testing.T) { p.put16(2, 12, 4094) }, 10, "page 2: offsets end at byte 4094"},
		{"nodes begin past the page", func(p *patient, _ *testing.T) { p.put16(2, 14, 4098) }, 10, "nodes begin at byte 4098 of 4096"},
		{"no nodes", func(p *patient, _ *testing.T) { p.put16(2, 12, 16) }, 10, "page 2: 0 nodes, a leaf has 1 at least"},
		{"branch of one child", func(p *patient, _ *testing.T) { p.put16(4, 12, 18) }, 0, "page 4: 1 nodes, a branch has 2 at least"},
		{"node fell out of the table", func(p *patient, _ *testing.T) { p.put16(2, 12, p.get16(2, 12)-2) }, 10, "page 2: nodes take"},
		{"offset past the page", func(p *patient, _ *testing.T) { p.put16(2, 16, 4090) }, 10, "page 2: node 0 begins at byte 4090"},
		{"offset in the table", func(p *patient, _ *testing.T) { p.put16(2, 18, 16) }, 10, "page 2: node 1 begins at byte 16"},
		{"offset twice", func(p *patient, _ *testing.T) { p.put16(2, 18, p.get16(2, 16)) }, 10, "page 2: node 1 is not in order"},
		{"key too long", func(p *patient, t *testing.T) { p.node(t, 2, 0)[7] = 0xff }, 10, "page 2: node 0 ends at byte 69375 of 4096"},
		{"value too long", func(p *patient, t *testing.T) { p.node(t, 2, 0)[3] = 0xff }, 10, "page 2: node 0 ends at byte 427"},
		{"value longer", func(p *patient, t *testing.T) { p.node(t, 2, 1)[1]++ }, 10, "page 2: nodes take"},
		{"no key", func(p *patient, t *testing.T) { nd := p.node(t, 2, 0); nd[0]++; nd[6] = 0 }, 19, "page 2: node 0 has no key"},
		{"flags", func(p *patient, t *testing.T) { p.node(t, 2, 0)[4] = 8 }, 19, "page 2: node 0 has unknown flags 0x8"},
		{"named database", func(p *patient, t *testing.T) { p.node(t, 2, 0)[4] = 2 }, 19, "page 2: node 0 is a named database without a record of its tree"},
		{"duplicates", func(p *patient, t *testing.T) { p.node(t, 2, 0)[4] = 4 }, 19, "page 2: node 0 has duplicates"},
		{"duplicates in a tree", func(p *patient, t *testing.T) { p.node(t, 2, 0)[4] = 6 }, 19, "page 2: node 0 has duplicates"},
		{"not in order", func(p *patient, t *testing.T) { p.node(t, 2, 1)[8] = 'a' }, 10, "page 2: node 1 is not in order"},
		{"before its page", func(p *patient, t *testing.T) { p.node(t, 3, 0)[8] = 'i' }, 10, "page 3: node 0 has a key that belongs before this page"},
		{"behind its page", func(p *patient, t *testing.T) { p.node(t, 2, 9)[8] = 'k' }, 10, "page 2: node 9 has a key that belongs behind this page"},
		{"separator too high", func(p *patient, t *testing.T) { p.node(t, 4, 1)[8] = 'l' }, 10, "page 3: node 0 has a key that belongs before"},
		{"separator too low", func(p *patient, t *testing.T) { p.node(t, 4, 1)[8] = 'j' }, 10, "page 2: node 9 has a key that belongs behind"},

		{"child is metadata", func(p *patient, t *testing.T) { p.node(t, 4, 0)[0] = 1 }, 10, "page 4: node 0 leads to page 1, which is metadata"},
		{"child out of the file", func(p *patient, t *testing.T) { p.node(t, 4, 0)[5] = 1 }, 10, "page 4: node 0 leads to page 1099511627778, the last is page 10"},
		{"child past the file", func(p *patient, t *testing.T) { p.put64(1, lastAt, 50); p.node(t, 4, 0)[0] = 11 }, 10, "node 0 leads to page 11, the file ends after 11 pages"},
		{"children alike", func(p *patient, t *testing.T) { p.node(t, 4, 1)[0] = 2 }, 10, "page 2: met a second time (reached from page 4)"},
		{"root its own child", func(p *patient, t *testing.T) { p.put16(1, mainAt+6, 32); p.node(t, 4, 0)[0] = 4 }, 0, "page 4: met a second time (reached from page 4)"},
		{"child is overflow", func(p *patient, t *testing.T) { p.node(t, 4, 0)[0] = 5 }, 10, "page 5: kind is overflow, expected leaf"},
		{"file cut", func(p *patient, _ *testing.T) { p.data = p.data[:3*4096] }, 0, "the root of the main tree is page 4; the last is page 10, the file has 3"},

		{"run is metadata", func(p *patient, t *testing.T) { p.node(t, 3, 8)[9] = 0 }, 19, "page 3: node 8 leads to page 0, which is metadata"},
		{"run is a leaf", func(p *patient, t *testing.T) { p.node(t, 3, 8)[9] = 2 }, 19, "page 2: kind is leaf, expected overflow (reached from page 3)"},
		{"run starts later", func(p *patient, t *testing.T) { p.node(t, 3, 8)[9] = 6 }, 19, "page 6: says that it is page"},
		{"run too short", func(p *patient, _ *testing.T) { p.put32(5, 12, 1) }, 19, "page 3: node 8 has a value of 5000 bytes, the run at page 5 has 1 pages"},
		{"run out of the file", func(p *patient, _ *testing.T) { p.put32(7, 12, 1<<32-1) }, 19, "node 9 has a value up to page 4294967301, the last is page 10"},
		{"runs alike", func(p *patient, t *testing.T) { p.node(t, 3, 9)[9] = 5 }, 18, "page 3: node 8 is lost: page 5 of its value is claimed again"},
		{"runs overlap", func(p *patient, _ *testing.T) { p.put32(5, 12, 3) }, 18, "page 3: node 8 is lost: page 7 of its value is claimed again"},
		{"run over the root", func(p *patient, t *testing.T) { p.node(t, 3, 8)[9] = 4; p.put16(4, 10, 4); p.put32(4, 12, 2) }, 0, "page 4: kind is overflow, expected branch"},
		{"value too long for its run", func(p *patient, t *testing.T) { p.node(t, 3, 8)[3] = 0xff }, 19, "page 3: node 8 has a value of 4278195080 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			whole, _ := mustOpen(t, p.data).Records()
			want := dbmtest.Map(t, whole)
			test.harm(p, t)
			f, records, err := codec.Agree(t, p.data)
			if err != nil {
				codec.CheckOpen(t, p.data, dbmtest.Damage, test.want)
				return
			}
			dbmtest.CheckLeft(t, records, want)
			if len(records) != test.left {
				t.Errorf("%d of %d records, want %d", len(records), len(want), test.left)
			}
			_, faults := f.Records()
			dbmtest.CheckFound(t, "fault", faults, test.want)
			closer, _ := f.Verify()
			dbmtest.CheckFound(t, "fault of Verify", closer, test.want)
		})
	}
}

// TestVerify has a line for what costs no record now.
func TestVerify(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(*patient, *testing.T)
		want string // a fault, "" if there must be none
		warn string
	}{
		{"nothing", func(*patient, *testing.T) {}, "", ""},
		{"branch pages", func(p *patient, _ *testing.T) { p.put64(1, mainAt+8, 2) }, "page 1: counts 2 branch pages of the main tree, there are 1", ""},
		{"leaf pages", func(p *patient, _ *testing.T) { p.put64(1, mainAt+16, 1) }, "counts 1 leaf pages of the main tree, there are 2", ""},
		{"overflow pages", func(p *patient, _ *testing.T) { p.put64(1, mainAt+24, 0) }, "counts 0 overflow pages of the main tree, there are 4", ""},
		{"entries of the free tree", func(p *patient, _ *testing.T) { p.put64(1, freeAt+32, 2) }, "counts 2 entries of the free tree, there are 1", ""},
		{"root of the free tree", func(p *patient, _ *testing.T) { p.put64(1, freeAt+40, 1) }, "page 1: the root of the free tree is page 1", ""},
		{"root of the free tree in the main tree", func(p *patient, _ *testing.T) { p.put64(1, freeAt+40, 2) }, "page 2: met a second time (the root)", ""},
		{"free tree too deep", func(p *patient, _ *testing.T) { p.put16(1, freeAt+6, 2) }, "page 9: kind is leaf, expected branch", ""},
		{"no free tree", func(p *patient, _ *testing.T) {
			p.put16(1, freeAt+6, 0)
			p.put64(1, freeAt+32, 0)
			p.put64(1, freeAt+40, 1<<64-1)
			p.put64(1, freeAt+16, 0)
		}, "", "page 1: 2 pages, the first of them page 9, are neither in use nor free"},
		{"freed by the future", func(p *patient, t *testing.T) { p.node(t, 9, 0)[8] = 2 }, "page 9: node 0 has pages freed by transaction 2, the last is 1", ""},
		{"freed before all", func(p *patient, t *testing.T) { p.node(t, 9, 0)[8] = 0 }, "freed by transaction 0", ""},
		{"free key of 6 bytes", func(p *patient, t *testing.T) { p.node(t, 9, 0)[6] -= 2; p.node(t, 9, 0)[0] += 2 }, "page 9: node 0 has a key of 6 bytes in the free tree", ""},
		{"free list too long", func(p *patient, t *testing.T) { p.node(t, 9, 0)[16] = 2 }, "page 9: node 0 has a list of free pages that is longer than its 16 bytes", ""},
		{"free list of nothing", func(p *patient, t *testing.T) { p.node(t, 9, 0)[16] = 0 }, "", "1 pages, the first of them page 10, are neither"},
		{"metadata free", func(p *patient, t *testing.T) { p.node(t, 9, 0)[24] = 1 }, "page 9: node 0 frees page 1, the last is page 10", ""},
		{"page past the last free", func(p *patient, t *testing.T) { p.node(t, 9, 0)[31] = 1 }, "node 0 frees page 72057594037927946", ""},
		{"leaf free", func(p *patient, t *testing.T) { p.node(t, 9, 0)[24] = 3 }, "page 9: node 0 frees page 3, which is in use", ""},
		{"big value free", func(p *patient, t *testing.T) { p.node(t, 9, 0)[24] = 8 }, "frees page 8, which is in use", ""},
		{"free leaf free", func(p *patient, t *testing.T) { p.node(t, 9, 0)[24] = 9 }, "frees page 9, which is in use", ""},
		{"counted but not written", func(p *patient, _ *testing.T) { p.data = p.data[:10*4096] }, "", ""},
		{"file longer", func(p *patient, _ *testing.T) { p.data = append(p.data, make([]byte, 5000)...) }, "", ""},
		{"older metadata nonsense", func(p *patient, _ *testing.T) { p.put64(0, freeAt+40, 1) }, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.harm(p, t)
			f := mustOpen(t, p.data)
			records, faults := f.Records()
			if len(records) != 20 || faults != nil {
				t.Errorf("%d records, %v", len(records), faults)
			}
			faults, warnings := f.Verify()
			dbmtest.CheckFound(t, "fault", faults, test.want)
			dbmtest.CheckFound(t, "warning", warnings, test.warn)
		})
	}
}

// TestFreeLists: order, and a page free twice.
func TestFreeLists(t *testing.T) {
	for _, test := range []struct {
		name  string
		lists [][]uint64
		want  string
	}{
		{"sound", [][]uint64{{12, 11}, {10}}, ""},
		{"ascending", [][]uint64{{11, 12}, {10}}, "page 9: node 0 has a list of free pages that is not in order"},
		{"twice in one list", [][]uint64{{12, 12}, {11}}, "node 0 has a list of free pages that is not in order"},
		{"twice", [][]uint64{{12, 11}, {11, 10}}, "page 9: node 1 frees page 11, which is free already"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			b := &builder{layout: standard, file: append(p.data, make([]byte, 2*4096)...)}
			clear(b.page(9))
			s := b.sheet(9, kindLeaf)
			for i, pages := range test.lists {
				list := standard.appendNumber(nil, uint64(len(pages)))
				for _, n := range pages {
					list = standard.appendNumber(list, n)
				}
				s.add(uint32(len(list)), 0, standard.appendNumber(nil, uint64(i+1)), list)
			}
			s.seal()
			p.data = b.file
			p.put64(1, freeAt+32, uint64(len(test.lists)))
			p.put64(1, lastAt, 12)
			p.put64(1, transactionAt, 3)
			faults, _ := mustOpen(t, p.data).Verify()
			dbmtest.CheckFound(t, "fault", faults, test.want)
		})
	}
}

// TestNamedByMistake: a value as long as a tree's record does not become a database
// by one bit.
func TestNamedByMistake(t *testing.T) {
	data := mustBuild(t, []dbm.Record{{Key: []byte("k"), Value: bytes.Repeat([]byte("v"), 48)}}, standard)
	p := &patient{data}
	p.node(t, 2, 0)[4] = nodeDatabase
	records, faults := mustOpen(t, data).Records()
	if len(records) != 0 {
		t.Errorf("%d records", len(records))
	}
	dbmtest.CheckFound(t, "fault", faults, "page 2: node 0 is a named database without a record")
}

// TestLongKeys of a liblmdb that was built for them are read.
func TestLongKeys(t *testing.T) {
	b := &builder{layout: standard, file: mustBuild(t, []dbm.Record{{Key: []byte("k"), Value: []byte("v")}}, standard)}
	clear(b.page(2))
	s := b.sheet(2, kindLeaf)
	s.add(1, 0, make([]byte, 512), []byte("v"))
	s.seal()
	f := mustOpen(t, b.file)
	if records, faults := f.Records(); len(records) != 1 || faults != nil {
		t.Errorf("%d records, %v", len(records), faults)
	}
	faults, warnings := f.Verify()
	dbmtest.CheckFound(t, "fault", faults, "")
	dbmtest.CheckFound(t, "warning", warnings, "page 1: 1 keys have more than 511 bytes")
}

// TestMetadataInTurn: the later transaction counts; of equals page 0.
func TestMetadataInTurn(t *testing.T) {
	for _, test := range []struct{ first, second, want uint64 }{{0, 0, 0}, {0, 1, 1}, {2, 1, 0}, {1 << 63, 1, 0}} {
		p := newPatient(t)
		p.put64(0, transactionAt, test.first)
		p.put64(1, transactionAt, test.second)
		if f := mustOpen(t, p.data); uint64(f.meta.page) != test.want {
			t.Errorf("transactions %d and %d: page %d counts", test.first, test.second, f.meta.page)
		}
	}
}

func TestSettled(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(*patient)
		want bool
	}{
		{"nothing", func(*patient) {}, true},
		{"one transaction", func(p *patient) { p.put64(0, transactionAt, 2) }, true},
		{"two transactions", func(p *patient) { p.put64(0, transactionAt, 2); p.put64(1, transactionAt, 3) }, false},
		{"a transaction writing", func(p *patient) { p.put64(1, mainAt+40, 9) }, false},
		{"cut", func(p *patient) { p.data = p.data[:4096+100] }, false},
		{"gone", func(p *patient) { p.data = nil }, false},
	} {
		p := newPatient(t)
		f := mustOpen(t, bytes.Clone(p.data))
		test.harm(p)
		if got := f.Settled(p.data[:min(len(p.data), f.HeadSize())]); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestRewriteIsRefused(t *testing.T) {
	var refusal *dbm.FormatError
	data, err := mustOpen(t, newPatient(t).data).Rewrite(nil)
	if data != nil || !errors.As(err, &refusal) || !strings.Contains(refusal.Reason, "convert to a new one") {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}
