package bdb

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

// A patient is a small file that tests break: 4 KiB pages, little endian, two
// buckets on pages 1 and 2, then overflow pages for the value of "long": 3, 4.
type patient struct {
	data []byte
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	records := append(dbmtest.Users(20), dbm.Record{Key: []byte("long"), Value: bytes.Repeat([]byte("v"), 5000)})
	p := &patient{mustBuild(t, records, Options{})}
	if f := mustOpen(t, p.data); f.pages != 5 || f.cutPage(3).typ != typeOverflow {
		t.Fatal("the patient is not what its comment says")
	}
	return p
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

// offPageItem returns the position of the reference to page 3, its page first.
func (p *patient) offPageItem(t *testing.T) (page, at int) {
	t.Helper()
	i := bytes.Index(p.data, []byte{itemOffPage, 0, 0, 0, 3, 0, 0, 0})
	if i < 0 {
		t.Fatal("no reference to page 3")
	}
	return i / 4096, i % 4096
}

// TestOpenRefuses has a line for every way in which metadata can be wrong.
func TestOpenRefuses(t *testing.T) {
	const format, damage = dbmtest.Refusal, dbmtest.Damage
	for _, test := range []struct {
		name string
		harm func(*patient)
		kind dbmtest.Kind // of the error
		want string       // in its text
	}{
		{"empty", func(p *patient) { p.data = nil }, damage, "page 0: the file is empty"},
		{"1 byte", func(p *patient) { p.data = p.data[:1] }, damage, "ends at byte 1, the metadata takes 512"},
		{"511 bytes", func(p *patient) { p.data = p.data[:511] }, damage, "ends at byte 511"},
		{"less than a page", func(p *patient) { p.data = p.data[:4095] }, damage, "ends at byte 4095 of 4096"},
		{"magic", func(p *patient) { p.put32(0, 12, 0x12345678) }, format, "not a Berkeley DB file"},
		{"btree", func(p *patient) { p.put32(0, 12, 0x00053162) }, format, "btree"},
		{"big-endian btree", func(p *patient) { p.put32(0, 12, 0x62310500) }, format, "btree"},
		{"queue", func(p *patient) { p.put32(0, 12, 0x00042253) }, format, "queue"},
		{"heap", func(p *patient) { p.put32(0, 12, 0x00074582) }, format, "heap"},
		{"rename", func(p *patient) { p.put32(0, 12, 0x00030800) }, format, "rename"},
		{"1.85", func(p *patient) { p.put32(0, 12, 0); p.put32(0, 0, 0x00061561) }, format, "1.85"},
		{"short btree", func(p *patient) { p.put32(0, 12, 0x00053162); p.data = p.data[:16] }, format, "btree"},
		{"version 6", func(p *patient) { p.put32(0, 16, 6) }, format, "version 6 is too old"},
		{"version 11", func(p *patient) { p.put32(0, 16, 11) }, format, "version 11 is unknown"},
		{"encrypted", func(p *patient) { p.data[24] = 1 }, format, "encrypted"},
		{"partitioned", func(p *patient) { p.data[26] = 2 }, format, "partitioned"},
		{"sub-databases", func(p *patient) { p.put32(0, 48, 2) }, format, "sub-databases"},
		{"blobs", func(p *patient) { p.put32(0, 16, 10); p.put32(0, 224, 1) }, format, "blob"},
		{"page type", func(p *patient) { p.data[25] = 9 }, damage, "page type is 9"},
		{"page size 0", func(p *patient) { p.put32(0, 20, 0) }, damage, "page size is 0"},
		{"page size 768", func(p *patient) { p.put32(0, 20, 768) }, damage, "page size is 768"},
		{"page size 128 KiB", func(p *patient) { p.put32(0, 20, 131072) }, damage, "page size is 131072"},
		{"checksum flag", func(p *patient) { p.data[26] = 1 }, damage, "checksum is"},
		{"high mask", func(p *patient) { p.put32(0, 76, 3) }, damage, "masks are 0x3"},
		{"low mask", func(p *patient) { p.put32(0, 80, 1) }, damage, "masks are 0x1 and 0x1"},
		{"highest bucket 2", func(p *patient) { p.put32(0, 72, 2) }, damage, "masks"},
		{"highest bucket", func(p *patient) { p.put32(0, 72, 1<<32-1) }, damage, "highest bucket is 4294967295"},
		{"many buckets", func(p *patient) {
			p.put32(0, 72, 1<<31-1)
			p.put32(0, 76, 1<<31-1)
			p.put32(0, 80, 1<<30-1)
			for i := range 32 {
				p.put32(0, 96+4*i, 1)
			}
		}, damage, "starts on page 2147483648, the last page is 4"},
		{"bucket on page 0", func(p *patient) { p.put32(0, 96, 0) }, damage, "bucket 0 starts on page 0"},
		{"two buckets on one page", func(p *patient) { p.put32(0, 100, 0) }, damage, "bucket 1 starts on page 1"},
		{"bucket past the end", func(p *patient) { p.put32(0, 100, 1<<32-1) }, damage, "starts on page 4294967296"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.harm(p)
			codec.CheckOpen(t, p.data, test.kind, test.want)
		})
	}
}

func TestVersion10IsRead(t *testing.T) {
	p := newPatient(t)
	p.put32(0, 16, 10)
	records, faults := mustOpen(t, p.data).Records()
	if len(records) != 21 || faults != nil {
		t.Errorf("%d records, %v", len(records), faults)
	}
}

// TestDamage has a line for every contradiction between pages.
func TestDamage(t *testing.T) {
	for _, test := range []struct {
		name   string
		harm   func(*patient, *testing.T)
		want   string // a fault of Verify, "" if there must be none
		warn   string // a warning of Verify
		hidden bool   // Records has nothing to say
		lost   bool   // records are missing
	}{
		{"own number", func(p *patient, _ *testing.T) { p.put32(1, 8, 2) }, "page 1: says that it is page 2", "", false, true},
		{"type", func(p *patient, _ *testing.T) { p.data[4096+25] = 3 }, "page 1: type is unknown type 3, expected hash", "", false, true},
		{"zeroed page", func(p *patient, _ *testing.T) { clear(p.data[4096:8192]) }, "page 3: type is overflow, and nothing leads to it", "", true, true},
		{"freed bucket page", func(p *patient, _ *testing.T) { p.data[4096+25] = 0 }, "page 1: type is free, expected hash", "", false, true},
		{"chain to itself", func(p *patient, _ *testing.T) { p.put32(1, 16, 1) }, "page 1: starts a bucket, yet is the next of page 1", "page 1: previous page is 0, expected 1", false, false},
		{"chain to a bucket", func(p *patient, _ *testing.T) { p.put32(1, 16, 2) }, "page 2: starts a bucket, yet is the next of page 1", "page 2: previous page is 0, expected 1", false, false},
		{"chain to an overflow page", func(p *patient, _ *testing.T) { p.put32(2, 16, 4) }, "page 4: type is overflow, expected hash (next of page 2)", "", false, false},
		{"chain out of the file", func(p *patient, _ *testing.T) { p.put32(1, 16, 1<<32-1) }, "page 4294967295: past the end of the file", "", false, false},
		{"chain to a hole", func(p *patient, _ *testing.T) {
			p.data = append(p.data, make([]byte, 4096)...)
			p.put32(0, 32, 5)
			p.put32(1, 16, 5)
		}, "page 5: zero from end to end (next of page 1)", "", false, false},
		{"offset past the page", func(p *patient, _ *testing.T) { p.put16(1, 26, 4100) }, "page 1: entry 0 begins at byte 4100 of 4096", "", false, true},
		{"offset in the table", func(p *patient, _ *testing.T) { p.put16(1, 30, 27) }, "page 1: entry 2 begins at byte 27", "", false, true},
		{"offsets rise", func(p *patient, _ *testing.T) { p.put16(1, 28, p.get16(1, 26)) }, "page 1: entry 1 begins at byte", "", false, true},
		{"entries beyond the page", func(p *patient, _ *testing.T) { p.put16(1, 20, 65534) }, "page 1: 65534 entries do not fit", "", false, true},
		{"entries odd", func(p *patient, _ *testing.T) { p.put16(1, 20, p.get16(1, 20)-1) }, "a key has no value", "", false, true},
		{"entries too few", func(p *patient, _ *testing.T) { p.put16(1, 20, p.get16(1, 20)-2) }, "page 1: items begin at byte", "", false, true},
		{"low too high", func(p *patient, _ *testing.T) { p.put16(1, 22, 4000) }, "the header says 4000", "", false, false},
		{"item type", func(p *patient, _ *testing.T) { p.data[4096+int(p.get16(1, 26))] = 9 }, "page 1: entry 0 is of unknown type 9", "", false, true},
		{"blob item", func(p *patient, _ *testing.T) { p.data[4096+int(p.get16(1, 28))] = 5 }, "page 1: entry 1 refers to a blob", "", false, true},
		{"off-page duplicates", func(p *patient, _ *testing.T) { p.data[4096+int(p.get16(1, 28))] = 4 }, "page 1: entry 1 has off-page duplicates", "", false, true},
		{"duplicates not allowed", func(p *patient, _ *testing.T) { p.data[4096+int(p.get16(1, 28))] = 2 }, "page 1: entry 1 has duplicates, which", "", false, true},
		{"duplicates of no sense", func(p *patient, _ *testing.T) {
			p.put32(0, 48, flagDuplicates)
			p.data[4096+int(p.get16(1, 28))] = 2
		}, "page 1: entry 1 has a duplicate whose two lengths differ", "page 0: duplicate keys are allowed", false, true},
		{"reference of a wrong length", func(p *patient, _ *testing.T) { p.data[4096+int(p.get16(1, 32))] = 3 }, "page 1: entry 3 is an off-page reference of", "", false, true},
		{"reference to page 0", func(p *patient, t *testing.T) { n, at := p.offPageItem(t); p.put32(n, at+4, 0) }, "page 0: is the metadata", "", false, true},
		{"reference out of the file", func(p *patient, t *testing.T) { n, at := p.offPageItem(t); p.put32(n, at+4, 99) }, "page 99: past the end", "", false, true},
		{"reference to a hash page", func(p *patient, t *testing.T) { n, at := p.offPageItem(t); p.put32(n, at+4, 2) }, "page 2: type is hash, expected overflow", "", false, true},
		{"reference too long", func(p *patient, t *testing.T) { n, at := p.offPageItem(t); p.put32(n, at+8, 1<<32-1) }, "its pages end at byte 5000 of 4294967295", "", false, true},
		{"reference too short", func(p *patient, t *testing.T) { n, at := p.offPageItem(t); p.put32(n, at+8, 4070) }, "page 4 ends at its byte 5000 of 4070", "", false, true},
		{"overflow cycle", func(p *patient, _ *testing.T) { p.put32(4, 16, 3) }, "page 3 ends at its byte 9070 of 5000", "page 3: previous page is 0, expected 4", false, true},
		{"overflow page of no data", func(p *patient, _ *testing.T) { p.put16(4, 22, 0) }, "page 4: 0 bytes of data", "", false, true},
		{"overflow page too full", func(p *patient, _ *testing.T) { p.put16(3, 22, 4071) }, "page 3: 4071 bytes of data, expected 1 to 4070", "", false, true},
		{"overflow page lost", func(p *patient, _ *testing.T) { clear(p.data[4*4096:]) }, "page 4: zero from end to end, expected overflow", "", false, true},
		{"chain cut off", func(p *patient, _ *testing.T) { p.data = slices.Concat(p.data[:4*4096]); p.put32(0, 32, 3) }, "page 4: past the end of the file, page 3 is the last", "", false, true},
		{"file cut", func(p *patient, _ *testing.T) { p.data = slices.Clone(p.data[:2*4096]) }, "page 2: the file ends here, page 4 should be the last", "", false, true},
		{"file cut in a page", func(p *patient, _ *testing.T) { p.data = slices.Clone(p.data[:2*4096+7]) }, "page 2: the file ends at byte 7 of 4096", "", false, true},
		{"table shrunk", func(p *patient, _ *testing.T) { p.put32(0, 72, 0); p.put32(0, 76, 0) }, "page 2: 20 entries that no bucket leads to", "", false, true},

		{"metadata number", func(p *patient, _ *testing.T) { p.put32(0, 8, 7) }, "page 0: says that it is page 7", "", true, false},
		{"number of pairs", func(p *patient, _ *testing.T) { p.put32(0, 88, 1<<31+1) }, "page 0: counts 2147483649 pairs", "", true, false},
		{"foreign hash", func(p *patient, _ *testing.T) { p.put32(0, 92, 1) }, "page 0: made with an unknown hash function", "", true, false},
		{"level", func(p *patient, _ *testing.T) { p.data[4096+24] = 1 }, "page 1: level is 1", "", true, false},
		{"last page too low", func(p *patient, _ *testing.T) { p.put32(0, 32, 2) }, "page 0: the last page is 2, yet page 3 is in use", "", true, false},
		{"free list out of the file", func(p *patient, _ *testing.T) { p.put32(0, 28, 77) }, "page 77: past the end of the file, page 4 is the last (on the free list", "", true, false},
		{"free list of pages in use", func(p *patient, _ *testing.T) { p.put32(0, 28, 3) }, "page 3: on the free list, but of type overflow", "", true, false},
		{"free list in a cycle", func(p *patient, _ *testing.T) {
			p.data = append(p.data, make([]byte, 4096)...)
			p.put32(0, 32, 5)
			p.put32(0, 28, 5)
			p.put32(5, 8, 5)
			p.put32(5, 16, 5)
		}, "page 5: on the free list, but in use or met a second time", "", true, false},
		{"page of nobody", func(p *patient, _ *testing.T) {
			p.data = append(p.data, p.data[4*4096:]...)
			p.put32(0, 32, 5)
			p.put32(5, 8, 5)
		}, "page 5: type is overflow, and nothing leads to it", "", true, false},

		{"previous page", func(p *patient, _ *testing.T) { p.put32(4, 12, 9) }, "", "page 4: previous page is 9, expected 3", true, false},
		{"references", func(p *patient, _ *testing.T) { p.put16(3, 20, 2) }, "", "page 3: 2 references", true, false},
		{"file longer", func(p *patient, _ *testing.T) { p.data = append(p.data, make([]byte, 4096)...) }, "", "page 0: the last page is 4, the file goes on to page 5", true, false},
		{"duplicates allowed", func(p *patient, _ *testing.T) { p.put32(0, 48, 5) }, "", "page 0: duplicate keys are allowed", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			whole, _ := mustOpen(t, p.data).Records()
			want := dbmtest.Map(t, whole)
			test.harm(p, t)
			f, records, err := codec.Agree(t, p.data)
			if err != nil {
				t.Fatal(err)
			}
			if lost := dbmtest.CheckLeft(t, records, want); (lost > 0) != test.lost {
				t.Errorf("%d of %d records lost", lost, len(want))
			}
			if _, seen := f.Records(); (seen == nil) != test.hidden {
				t.Errorf("Records reports %v", seen)
			}
			faults, warnings := f.Verify()
			dbmtest.CheckFound(t, "fault", faults, test.want)
			dbmtest.CheckFound(t, "warning", warnings, test.warn)
		})
	}
}

// TestTwins puts a key into a file twice.
func TestTwins(t *testing.T) {
	alike := mustBuild(t, []dbm.Record{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("c"), Value: []byte("1")}}, Options{})
	differ := mustBuild(t, []dbm.Record{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("c"), Value: []byte("2")}}, Options{})
	for _, data := range [][]byte{alike, differ} {
		// "c" becomes "a"; both are odd and so are their hashes.
		i := bytes.LastIndexByte(data, 'c')
		data[i] = 'a'
	}
	records, faults := mustOpen(t, alike).Records()
	if len(records) != 1 || len(faults) != 1 {
		t.Errorf("twins alike: %d records, faults %v", len(records), faults)
	}
	records, faults = mustOpen(t, differ).Records()
	if len(records) != 0 || len(faults) != 1 {
		t.Errorf("twins that differ: %d records, faults %v", len(records), faults)
	}
	for _, data := range [][]byte{alike, differ} {
		codec.Agree(t, data)
	}
}

// TestTwinsApart puts a key into two buckets of a file whose hash function is not
// known, so that neither is known to be the wrong one.
func TestTwinsApart(t *testing.T) {
	data := mustBuild(t, []dbm.Record{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Value: []byte("2")}}, Options{})
	binary.LittleEndian.PutUint32(data[92:], 0)
	n := 0
	if fault := mustOpen(t, data).Scan(func(_, _ []byte) { n++ }); n != 2 || fault != nil {
		t.Errorf("before: Scan visits %d records, %v", n, fault)
	}
	data[bytes.LastIndexByte(data, 'b')] = 'a'
	f := mustOpen(t, data)
	if records, faults := f.Records(); len(records) != 0 || len(faults) != 1 {
		t.Errorf("%d records, faults %v", len(records), faults)
	}
	codec.Agree(t, data)
}

// TestMisplaced puts a key into a bucket that is not its own.
func TestMisplaced(t *testing.T) {
	data := mustBuild(t, []dbm.Record{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("c"), Value: []byte("2")}}, Options{})
	data[bytes.LastIndexByte(data, 'c')] = 'b'
	records, faults := mustOpen(t, data).Records()
	if len(records) != 1 || len(faults) != 1 || !strings.Contains(faults[0].Reason, "belongs to bucket 0, found in bucket 1") {
		t.Errorf("%d records, faults %v", len(records), faults)
	}
	codec.Agree(t, data)
}

// TestSharedChain lets two values claim one overflow page.
func TestSharedChain(t *testing.T) {
	records := []dbm.Record{{Key: []byte("a"), Value: make([]byte, 3000)}, {Key: []byte("c"), Value: make([]byte, 3000)}, {Key: []byte("e"), Value: nil}}
	data := mustBuild(t, records, Options{})
	reference := []byte{itemOffPage, 0, 0, 0, 4, 0, 0, 0}
	i := bytes.Index(data, reference)
	data[i+4] = 3
	got, faults := mustOpen(t, data).Records()
	if len(got) != 1 || len(faults) != 2 {
		t.Errorf("%d records, faults %v", len(got), faults)
	}
}

func TestMisSorted(t *testing.T) {
	data := mustBuild(t, []dbm.Record{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("c"), Value: []byte("2")}}, Options{})
	data[bytes.LastIndexByte(data, 'a')] = 'e'
	f := mustOpen(t, data)
	if got, fault := dbmtest.Scan(t, f); got["e"] != "1" || fault != nil {
		t.Errorf("Scan gives %q, %v", got, fault)
	}
	faults, _ := f.Verify()
	dbmtest.CheckFound(t, "fault", faults, "entry 2 is not in order")
}

func TestDuplicates(t *testing.T) {
	item := item{page: 1, bytes: []byte{itemDuplicate, 2, 0, 'a', 'b', 2, 0, 0, 0, 0, 0}}
	f := mustOpen(t, mustBuild(t, nil, Options{}))
	f.flags = flagDuplicates
	if v, err := f.value(item, nil); string(v) != "ab" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	item.bytes = item.bytes[:9]
	if v, err := f.value(item, nil); v != nil || err == nil {
		t.Errorf("cut: got %q, %v", v, err)
	}
}

// TestSharedTail lets two buckets end in one page: its records are given once.
func TestSharedTail(t *testing.T) {
	data := dbmtest.Samples.Read(t, "bdb-chained.db")
	want := dbmtest.Samples.Sidecar(t, "bdb-chained.db").Records()
	binary.LittleEndian.PutUint32(data[5*4096+16:], 6) // the chains were 4, 6 and 5, 3
	records, faults := mustOpen(t, data).Records()
	dbmtest.CheckFound(t, "fault", faults, "page 6: met a second time (next of page 5)")
	dbmtest.CheckFound(t, "fault", faults, "page 3: 16 entries that no bucket leads to")
	if lost := dbmtest.CheckLeft(t, records, want); lost != 8 {
		t.Errorf("%d records lost, want the 8 of page 3", lost)
	}
}

func TestSniff(t *testing.T) {
	for name, want := range map[string]Kind{"bdb-empty.db": KindHash, "bdb-big-endian.db": KindHash, "bdb-btree.db": KindBtree,
		"bdb-subdatabases.db": KindBtree, "bad-magic.db": KindUnknown, "bad-zero-length.db": KindUnknown} {
		if got := Sniff(dbmtest.Samples.Read(t, name)); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
