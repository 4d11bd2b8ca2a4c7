package gdbm

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

// A patient is a small file that tests break: blocks of 512 bytes, the shape of a
// 64-bit PC, 20 users and a "long" record in two buckets of 16 slots, at bytes 1024
// and 1536. Each stands in 32 entries of the directory, at byte 512.
type patient struct {
	data []byte
}

const (
	firstBucket  = 1024
	secondBucket = 1536
	firstRecord  = 2048
)

var patientLayout = Layout{BlockSize: 512, Chars: SignedChars}

func patientRecords() []dbm.Record {
	return append(dbmtest.Users(20), dbm.Record{Key: []byte("long"), Value: bytes.Repeat([]byte("v"), 3000)})
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{mustBuild(t, patientRecords(), patientLayout)}
	f := mustOpen(t, p.data)
	if f.dirBits != 6 || f.elems != 16 || f.dirEntry(31) != firstBucket || f.dirEntry(32) != secondBucket {
		t.Fatal("the patient is not what its comment says")
	}
	return p
}

func (p *patient) put32(at int, v uint32) { binary.LittleEndian.PutUint32(p.data[at:], v) }
func (p *patient) get32(at int) uint32    { return binary.LittleEndian.Uint32(p.data[at:]) }
func (p *patient) put64(at int, v uint64) { binary.LittleEndian.PutUint64(p.data[at:], v) }
func (p *patient) get64(at int) uint64    { return binary.LittleEndian.Uint64(p.data[at:]) }

// slot returns where the n-th occupied slot of a bucket is.
func (p *patient) slot(bucket, n int) int {
	for at := bucket + 112; ; at += 24 {
		if p.get32(at) == emptySlot {
			continue
		}
		if n == 0 {
			return at
		}
		n--
	}
}

// TestOpenRefuses has a line for every way in which a header can be wrong.
func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(*patient)
		want string
	}{
		{"no bytes", func(p *patient) { p.data = nil }, "block 0: the file ends at byte 0"},
		{"3 bytes", func(p *patient) { p.data = p.data[:3] }, "ends at byte 3"},
		{"511 bytes", func(p *patient) { p.data = p.data[:511] }, "ends at byte 511, a block has 512 at least"},
		{"header only", func(p *patient) { p.data = p.data[:512] }, "the directory begins at byte 512 and has 512, the file ends at byte 512"},
		{"header and directory only", func(p *patient) { p.data = p.data[:1024] }, "the directory begins at byte 512"},
		{"block size 0", func(p *patient) { p.put32(4, 0) }, "block size is 0"},
		{"block size 768", func(p *patient) { p.put32(4, 768) }, "block size is 768"},
		{"block size 2 GiB", func(p *patient) { p.put32(4, 1<<31) }, "block size is 2147483648"},
		{"directory at 0", func(p *patient) { p.put64(8, 0) }, "the directory begins at byte 0"},
		{"directory past the end", func(p *patient) { p.put64(8, 1<<63) }, "the directory begins at byte 9223372036854775808"},
		{"directory at the end", func(p *patient) { p.put64(8, uint64(len(p.data)-512)) }, "the directory begins at byte"},
		{"directory size", func(p *patient) { p.put32(16, 1024) }, "the directory has 1024 bytes, expected 512 for 2^6 entries"},
		{"directory bits 5", func(p *patient) { p.put32(20, 5) }, "the directory has 2^5 entries, expected 2^6 or more"},
		{"directory bits 28", func(p *patient) { p.put32(20, 28) }, "the directory has 2^28 entries"},
		{"directory bits 2^31", func(p *patient) { p.put32(20, 1<<31) }, "the directory has 2^2147483648 entries"},
		{"bucket size", func(p *patient) { p.put32(24, 1024) }, "bucket size is 1024, expected 512"},
		{"slots", func(p *patient) { p.put32(28, 18) }, "buckets have 18 slots, expected 16"},
		{"magic of 32 bits", func(p *patient) { p.put32(0, 0x13579acd) }, "buckets have 512 slots, expected 22"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.harm(p)
			codec.CheckOpen(t, p.data, dbmtest.Damage, test.want)
		})
	}
}

// TestDamage has a line for every contradiction between parts of a file.
func TestDamage(t *testing.T) {
	for _, test := range []struct {
		name   string
		harm   func(*patient)
		want   string // a fault of Verify, "" if there must be none
		warn   string // a warning of Verify
		hidden bool   // Records has nothing to say
		lost   int    // records are missing, −1: some
	}{
		{"file longer", func(p *patient) { p.data = append(p.data, 0) }, "the file goes on to byte", "", false, 0},
		{"end negative", func(p *patient) { p.put64(32, 1<<63) }, "the header says that the file ends at byte 9223372036854775808", "", false, 0},
		{"end past the file", func(p *patient) { p.put64(32, p.get64(32)+512) }, "", "the file ends at byte", true, 0},
		{"file cut in free space", func(p *patient) { p.data = p.data[:len(p.data)-1] }, "", "cut short", true, 0},
		{"file cut", func(p *patient) { p.data = p.data[:firstRecord+600] }, "the file ends at byte 2648", "cut short", false, -1},
		{"end not at a block", func(p *patient) { p.data = p.data[:len(p.data)-1]; p.put64(32, p.get64(32)-1) },
			"the table of free space leads out of the file", "not at the end of a block of 512", false, 0},

		{"bucket past the end", func(p *patient) {
			for i := range 32 {
				p.put64(512+8*i, 1<<62)
			}
		}, "bucket 0: begins at byte 4611686018427387904", "", false, -1},
		{"bucket in the header", func(p *patient) { p.put64(512+8*63, 8) }, "bucket 63: begins at byte 8", "", false, 1},
		{"bucket over the directory", func(p *patient) { p.put64(512, 520) }, "bucket 0: at byte 520 overlaps another one", "", false, 0},
		{"bucket met again", func(p *patient) { p.put64(512+8*63, firstBucket) }, "bucket 63: at byte 1024 overlaps another one, the directory or the header, or was met before", "", false, 1},
		{"entry of another bucket", func(p *patient) { p.put64(512+8*32, firstBucket) }, "bucket 0: has 1 of 6 bits, yet directory entries 0 to 32 lead to it", "", true, 0},
		{"bucket bits 7", func(p *patient) { p.put32(firstBucket+104, 7) }, "bucket 0: has 7 bits, the directory has 6", "", false, -1},
		{"bucket bits 0", func(p *patient) { p.put32(firstBucket+104, 0) }, "bucket 0: has 0 of 6 bits, yet directory entries 0 to 31", "", true, 0},
		{"bucket bits 2", func(p *patient) { p.put32(secondBucket+104, 2) }, "bucket 32: has 2 of 6 bits", "", true, 0},
		{"count 17", func(p *patient) { p.put32(firstBucket+108, 17) }, "bucket 0: counts 17 records in 16 slots", "", false, -1},
		{"count wrong", func(p *patient) { p.put32(firstBucket+108, 1) }, "bucket 0: counts 1 records", "", false, 0},
		{"bucket zeroed", func(p *patient) { clear(p.data[firstBucket:secondBucket]) }, "bucket 0: counts 0 records, 16 slots are occupied", "", false, -1},

		{"hash negative", func(p *patient) { p.put32(p.slot(firstBucket, 0), 1<<31) }, "has hash 0x80000000, which is none", "", false, 1},
		{"hash of another bucket", func(p *patient) { p.put32(p.slot(firstBucket, 0), p.get32(p.slot(firstBucket, 0))|1<<30) },
			"belongs to the bucket of directory entry", "", false, -1},
		{"hash of another key", func(p *patient) { at := p.slot(firstBucket, 0); p.put32(at, p.get32(at)^1<<20) }, "", "", false, -1},
		{"slot emptied", func(p *patient) { p.put32(p.slot(firstBucket, 0), emptySlot) }, "slots are occupied", "", false, -1},
		{"key start", func(p *patient) { p.data[p.slot(firstBucket, 0)+4] ^= 1 }, "has a key that begins otherwise than the slot says", "", false, 1},
		{"key changed", func(p *patient) { p.data[p.get64(p.slot(firstBucket, 0)+8)+5] ^= 1 }, "which is not that of its key", "", false, 1},
		{"record past the end", func(p *patient) { p.put64(p.slot(firstBucket, 0)+8, 1<<64-1) }, "at byte 18446744073709551615", "", false, 1},
		{"key too long", func(p *patient) { p.put32(p.slot(firstBucket, 0)+16, 1<<31) }, "has a key of 2147483648 bytes", "", false, 1},
		{"value too long", func(p *patient) { p.put32(p.slot(firstBucket, 0)+20, 1<<20) }, "a value of 1048576", "", false, 1},
		{"value over the next record", func(p *patient) { at := p.slot(firstBucket, 0) + 20; p.put32(at, p.get32(at)+1) }, "overlaps slot", "", false, -1},
		{"record over a bucket", func(p *patient) { p.put64(p.slot(firstBucket, 0)+8, secondBucket) }, "overlaps a bucket, the directory or the header", "", false, 1},

		{"free space counted wrong", func(p *patient) { p.put32(44, 29) }, "the table of free space has 29 of 28 elements", "", false, 0},
		{"free space of another size", func(p *patient) { p.put32(40, 27) }, "the table of free space has 0 of 27 elements", "", false, 0},
		{"free space out of the file", func(p *patient) { p.put32(44, 1); p.put32(56, 1); p.put64(64, 1<<40) }, "block 0: the table of free space leads out of the file", "", false, 0},
		{"free space negative", func(p *patient) { p.put32(44, 1); p.put32(56, 1<<31); p.put64(64, 600) }, "block 0: the table of free space leads out of the file", "", false, 0},
		{"free space of a bucket counted wrong", func(p *patient) { p.put32(firstBucket, 7) }, "bucket 0: the table of free space has 7 elements", "", false, 0},
		{"free space of a bucket out of the file", func(p *patient) { p.put64(firstBucket+16, 1<<40) }, "bucket 0: the table of free space leads out of the file", "", false, 0},
		{"free space in use", func(p *patient) { p.put32(44, 1); p.put32(56, 30); p.put64(64, firstRecord+10) }, "block 0: free space at byte 2058 to 2088 overlaps slot", "", true, 0},
		{"free space in a bucket", func(p *patient) { p.put32(44, 1); p.put32(56, 30); p.put64(64, firstBucket+10) }, "overlaps a bucket, the directory", "", true, 0},
		{"free twice", func(p *patient) {
			p.put32(44, 1)
			p.put32(56, p.get32(firstBucket+8))
			p.put64(64, p.get64(firstBucket+16))
		}, "overlaps free space", "", true, 0},
		{"free space not sorted", func(p *patient) {
			at, size := p.get64(firstBucket+16), p.get32(firstBucket+8)
			p.put32(firstBucket, 2)
			p.put32(firstBucket+8, size-10)
			p.put32(firstBucket+24, 9)
			p.put64(firstBucket+32, at+uint64(size-10))
		}, "", "not in order of size", true, 0},
		{"chain out of the file", func(p *patient) { p.put64(48, 1<<40) }, "a table of free space begins at byte 1099511627776", "", true, 0},
		{"chain into a bucket", func(p *patient) { p.put64(48, firstBucket) }, "a table of free space at byte 1024 overlaps something", "", true, 0},
		{"chain to itself", func(p *patient) { p.chain(28, 0, uint64(len(p.data))) }, "overlaps something, or was met before", "", true, 0},
		{"chain sound", func(p *patient) { p.chain(28, 0, 0) }, "", "", true, 0},
		{"chained table too full", func(p *patient) { p.chain(28, 16, 0) }, "of 16 elements, is broken", "", true, 0},
		{"chained table in use", func(p *patient) {
			at := len(p.data)
			p.chain(28, 1, 0)
			p.put32(at+16, 30)
			p.put64(at+24, firstRecord)
		},
			"free space at byte 2048 to 2078 overlaps slot", "", true, 0},
		{"chained table free", func(p *patient) {
			at := len(p.data)
			p.chain(28, 1, 0)
			p.put32(at+16, 30)
			p.put64(at+24, uint64(at)+10)
		},
			"a table of free space at byte 6144 to 6400 overlaps free space", "", true, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.harm(p)
			want := dbmtest.Map(t, patientRecords())
			f, records, err := codec.Agree(t, p.data)
			if err != nil {
				t.Fatal(err)
			}
			if lost := dbmtest.CheckLeft(t, records, want); lost != test.lost && (test.lost >= 0 || lost == 0) {
				t.Errorf("%d of %d records lost", lost, len(want))
			}
			if _, seen := f.Records(); (seen == nil) != test.hidden {
				t.Errorf("Records reports %v", seen)
			}
			faults, warnings := f.Verify()
			if test.want != "" || test.hidden {
				dbmtest.CheckFound(t, "fault", faults, test.want)
			}
			dbmtest.CheckFound(t, "warning", warnings, test.warn)
		})
	}
}

// chain adds a block with a table of free space behind the end of the file.
func (p *patient) chain(size, count uint32, next uint64) {
	at := len(p.data)
	p.put64(48, uint64(at))
	p.put64(32, uint64(at+512))
	p.data = append(p.data, make([]byte, 512)...)
	p.put32(at, size)
	p.put32(at+4, count)
	p.put64(at+8, next)
}

// TestChainOverRecord: a further table of free space where a record is, whose value
// looks like one.
func TestChainOverRecord(t *testing.T) {
	value := make([]byte, 600)
	value[0] = 28
	records := []dbm.Record{{Key: []byte("k"), Value: value}}
	p := &patient{mustBuild(t, records, patientLayout)}
	p.put64(48, p.get64(p.slot(firstBucket, 0)+8)+1)
	f := mustOpen(t, p.data)
	faults, _ := f.Verify()
	dbmtest.CheckFound(t, "fault", faults, "a table of free space at byte 1537 to 1793 overlaps slot")
	if got, fault := dbmtest.Scan(t, f); len(got) != 1 || fault != nil {
		t.Errorf("%d records, %v", len(got), fault)
	}
}

// TestTwins puts a key into a file twice.
func TestTwins(t *testing.T) {
	for _, test := range []struct {
		name, value string
		records     int
	}{{"alike", "1", 1}, {"differ", "2", 0}} {
		t.Run(test.name, func(t *testing.T) {
			hash := uint32(0x2345678)
			a, b := keyWith(hash, 1), keyWith(hash, 2)
			p := &patient{mustBuild(t, []dbm.Record{{Key: a, Value: []byte("1")}, {Key: b, Value: []byte(test.value)}}, Layout{BlockSize: 512, Chars: UnsignedChars})}
			at := p.slot(1024, 0)
			first, second := p.get64(at+8), p.get64(at+24+8)
			copy(p.data[second:], p.data[first:][:len(a)])
			copy(p.data[at+24+4:], p.data[at+4:][:4])
			f := mustOpen(t, p.data)
			records, faults := f.Records()
			if len(records) != test.records || len(faults) != 1 || !strings.Contains(faults[0].Reason, "has the key of slot") {
				t.Errorf("%d records, faults %v", len(records), faults)
			}
			if _, fault := dbmtest.Scan(t, f); fault == nil {
				t.Error("Scan says nothing")
			}
		})
	}
}

// TestChars: a file is sound with either kind of chars, and damaged with both.
func TestChars(t *testing.T) {
	records := []dbm.Record{{Key: []byte("ascii")}, {Key: []byte("jörg")}, {Key: []byte("José")}, {Key: []byte("иван")}}
	for _, big := range []bool{false, true} {
		for _, chars := range []Chars{SignedChars, UnsignedChars} {
			l := Layout{BlockSize: 512, BigEndian: big, Chars: chars}
			f := mustOpen(t, mustBuild(t, records, l))
			checkRecords(t, f, dbmtest.Map(t, records))
			_, warnings := f.Verify()
			if usual := chars == usualChars(l.order()); usual != (warnings == nil) {
				t.Errorf("big endian %v, %v chars: warnings %v", big, chars, warnings)
			} else if !usual {
				dbmtest.CheckFound(t, "warning", warnings, "hashed with "+chars.String()+" chars")
			}
		}
	}
}

// TestMixedChars: a file that was changed on two kinds of machines. The one password
// of jörg that was changed later is not told apart: neither is given.
func TestMixedChars(t *testing.T) {
	b, err := newBuilder(Layout{BlockSize: 512, Chars: SignedChars})
	if err != nil {
		t.Fatal(err)
	}
	signed := []string{"jörg", "José", "Zoë"}
	unsigned := []string{"jörg", "René"}
	for i, name := range append(signed, unsigned...) {
		chars := SignedChars
		if i >= len(signed) {
			chars = UnsignedChars
		}
		b.pairs = append(b.pairs, pair{dbm.Record{Key: []byte(name), Value: []byte{byte(i)}}, chars.hashKey([]byte(name))})
	}
	b.buckets = []share{{b.pairs, 0}}
	if err := b.allocate(); err != nil {
		t.Fatal(err)
	}
	b.write()
	f := mustOpen(t, b.file)
	records, faults := f.Records()
	got := dbmtest.Map(t, records)
	if len(got) != 2 || got["José"] != "\x01" || got["Zoë"] != "\x02" {
		t.Errorf("got %q", got)
	}
	dbmtest.CheckFound(t, "fault", faults, "has a key hashed with unsigned chars")
	dbmtest.CheckFound(t, "fault", faults, "and another value")
	if _, fault := dbmtest.Scan(t, f); fault == nil {
		t.Error("Scan says nothing")
	}
}

// hostileFiles are some MiB each, made to cost time or memory.
func hostileFiles(t *testing.T) map[string][]byte {
	const size = 4 << 20
	// whole makes a file of buckets side by side, each led to by one entry, whose
	// slots are as fill says; hash begins with the bucket's number.
	whole := func(blockSize, bits uint32, fill func(at, bucket, n uint32) slot) []byte {
		b, err := newBuilder(Layout{BlockSize: blockSize, Chars: UnsignedChars})
		if err != nil {
			t.Fatal(err)
		}
		b.dirBits, b.next = bits, size
		b.file = make([]byte, size)
		b.header.put(b.file)
		at := b.bucketsAt()
		for i := range uint32(1) << bits {
			b.putOffset(b.order, b.file[b.dir+uint64(i)*8:], at)
			if fill == nil || at+uint64(blockSize) > size {
				at++ // buckets that overlap
				continue
			}
			bucket := b.file[at:]
			b.order.PutUint32(bucket[b.bitsAt():], bits)
			b.order.PutUint32(bucket[b.bitsAt()+4:], b.elems)
			for n := range b.elems {
				s := fill(uint32(at), i, n)
				out := bucket[b.slotsAt()+int(n)*b.slotSize():]
				hash := i<<(hashBits-bits) | s.hash&(1<<(hashBits-bits)-1)
				b.order.PutUint32(out, hash)
				b.putOffset(b.order, out[recordAt:], s.at)
				b.order.PutUint32(out[recordAt+8:], s.key)
				b.order.PutUint32(out[recordAt+12:], s.value)
			}
			at += uint64(blockSize)
		}
		return b.file
	}
	return map[string][]byte{
		"buckets that overlap": whole(512, 18, nil),
		"empty keys":           whole(4096, 9, func(_, _, n uint32) slot { return slot{hash: n} }),
		"one large key":        whole(4096, 9, func(_, _, n uint32) slot { return slot{hash: n, at: size / 2, key: size / 2} }),
		"keys that all overlap": whole(4096, 9, func(at, _, n uint32) slot {
			return slot{hash: n, at: uint64(size - at/2 - n), key: at / 2}
		}),
		"one large bucket": whole(1<<20, 17, func(_, i, n uint32) slot { return slot{hash: n, at: uint64(3<<20 + n), key: 1} }),
	}
}

// TestBounded: the worst that we know of takes a moment, and 16 MiB beside the file.
func TestBounded(t *testing.T) {
	for name, data := range hostileFiles(t) {
		t.Run(name, func(t *testing.T) {
			f := mustOpen(t, data)
			before := liveMemory()
			start := time.Now()
			c := newCollector(f)
			c.collect()
			took := time.Since(start)
			held := int64(liveMemory()) - int64(before)
			t.Logf("%d records, %d faults, %v, %d KiB held", len(c.sound()), c.faults.Len(), took, held>>10)
			if c.faults.Len() == 0 {
				t.Error("no faults")
			}
			if held > 16<<20 {
				t.Errorf("%d bytes held", held)
			}
			codec.Agree(t, data)
			if took := time.Since(start); took > 3*time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

func liveMemory() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
