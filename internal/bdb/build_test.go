package bdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

// eachLayout runs a test with every layout that Build can make of version 9.
func eachLayout(t *testing.T, test func(*testing.T, Layout)) {
	for _, size := range []uint32{512, 1024, 4096, 16384, 65536} {
		for _, bigEndian := range []bool{false, true} {
			for _, checksummed := range []bool{false, true} {
				l := Layout{9, size, bigEndian, checksummed}
				t.Run(l.name(), func(t *testing.T) {
					t.Parallel()
					test(t, l)
				})
			}
		}
	}
}

func (l Layout) name() string {
	return fmt.Sprintf("v%d-%d-big=%v-sums=%v", l.Version, l.PageSize, l.BigEndian, l.Checksummed)
}

// randomRecords returns records with different keys, no key longer than a quarter
// of a page, with keys and values about the sizes at which something changes.
func randomRecords(r *rand.Rand, n int, pageSize uint32) []dbm.Record {
	page, quarter := int(pageSize), int(pageSize)/4
	return append(dbmtest.Random(r, n, quarter-1, quarter, quarter+1, page-33, page-32, page-31, page-26, page-25, page, 2*page, 3*page+7),
		dbmtest.EmptyKey,
		dbm.Record{Key: bytes.Repeat([]byte("K"), quarter), Value: dbmtest.Bytes(r, 10)},
		dbm.Record{Key: bytes.Repeat([]byte("K"), quarter-1), Value: dbmtest.Bytes(r, 10)})
}

func TestBuildIsReadBack(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		for _, n := range []int{0, 1, 30, 400} {
			records := randomRecords(dbmtest.Seeded(), n, l.PageSize)
			f := mustOpen(t, mustBuild(t, records, Options{Layout: l}))
			if got := f.Info().Layout; got != l {
				t.Errorf("layout %+v", got)
			}
			dbmtest.CheckClean(t, f, dbmtest.Map(t, records))
		}
	})
}

func TestBuildLongKeys(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		r := dbmtest.Seeded()
		records := randomRecords(r, 50, l.PageSize)
		for n := range 30 { // beginnings of one another and of on-page keys
			long := append(bytes.Repeat([]byte("K"), int(l.PageSize)/4+1+n), "prefix"[:n%6]...)
			records = append(records, dbm.Record{Key: long, Value: dbmtest.Bytes(r, n)})
		}
		dbmtest.CheckClean(t, mustOpen(t, mustBuild(t, records, Options{l, KeepLongKeys})), dbmtest.Map(t, records))
		if data, err := Build(records, Options{Layout: l}); err == nil || data != nil {
			t.Error("long keys are not refused")
		}
	})
}

func TestBuildOlderVersions(t *testing.T) {
	for _, l := range []Layout{{7, 4096, false, false}, {8, 512, true, false}, {8, 1024, false, true}} {
		records := randomRecords(dbmtest.Seeded(), 100, l.PageSize)
		f := mustOpen(t, mustBuild(t, records, Options{Layout: l}))
		dbmtest.CheckClean(t, f, dbmtest.Map(t, records))
		if p := f.cutPage(1); p.typ != typeUnsorted {
			t.Errorf("version %d: type of page 1 is %d", l.Version, p.typ)
		}
	}
}

func TestBuildEmpty(t *testing.T) {
	data := mustBuild(t, nil, Options{})
	f := mustOpen(t, data)
	if want := (Info{Layout: Layout{9, 4096, false, false}, Buckets: 2, Pages: 3}); f.Info() != want {
		t.Errorf("got %+v, want %+v", f.Info(), want)
	}
	dbmtest.CheckClean(t, f, map[string]string{})
	// What saslpasswd2 leaves when the last user is gone has the same metadata.
	theirs := dbmtest.Samples.Read(t, "bdb-empty.db")
	for _, field := range []struct{ from, to int }{{8, 40}, {48, 52}, {72, 224}, {492, 512}} {
		if !bytes.Equal(data[field.from:field.to], theirs[field.from:field.to]) {
			t.Errorf("metadata bytes %d to %d differ from libdb's", field.from, field.to)
		}
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		codec.TestDeterminism(t, randomRecords(dbmtest.Seeded(), 200, l.PageSize), Options{Layout: l})
	})
}

func TestBuildRefuses(t *testing.T) {
	one := []dbm.Record{{Key: []byte("k"), Value: []byte("secret value")}}
	for _, test := range []struct {
		name    string
		records []dbm.Record
		layout  Layout
		want    string
	}{
		{"version 6", one, Layout{Version: 6}, "version 6"},
		{"version 10", one, Layout{Version: 10}, "version 10"},
		{"page size 768", one, Layout{PageSize: 768}, "page size 768"},
		{"page size 256", one, Layout{PageSize: 256}, "page size 256"},
		{"page size 131072", one, Layout{PageSize: 131072}, "page size 131072"},
		{"checksums in version 7", one, Layout{Version: 7, Checksummed: true}, "no checksums"},
		{"two records with one key", append(one, one...), Layout{}, "two records with one key"},
		{"long key", []dbm.Record{{Key: make([]byte, 129)}}, Layout{PageSize: 512}, "key of 129 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			codec.CheckBuild(t, test.records, Options{Layout: test.layout}, test.want)
		})
	}
}

// TestBuildDensity: keys of 33 bytes and values of 14 take 53 with their offsets.
func TestBuildDensity(t *testing.T) {
	codec.TestDensity(t, Options{}, 120, 200, 300, 500, 1000, 1700, 3000, 5000, 10000, 20000)
}

// TestBuildCollisions builds one long chain out of keys that all hash to 0: both
// parts lead from 0 back to 0.
func TestBuildCollisions(t *testing.T) {
	records := make([]dbm.Record, 1<<12)
	for i := range records {
		var key []byte
		for bit := range 12 {
			key = append(key, []string{"alaaxzm", "b8djodk"}[i>>bit&1]...)
		}
		if hashKey(key) != 0 {
			t.Fatalf("%q hashes to %d", key, hashKey(key))
		}
		records[i] = dbm.Record{Key: key, Value: []byte{byte(i), byte(i >> 8)}}
	}
	f := mustOpen(t, mustBuild(t, records, Options{Layout: Layout{PageSize: 512}}))
	dbmtest.CheckClean(t, f, dbmtest.Map(t, records))
}

// TestBuildLeavesNoTrace looks for bytes of one value everywhere but in its place.
func TestBuildLeavesNoTrace(t *testing.T) {
	data := mustBuild(t, dbmtest.Trace(), Options{})
	if n := bytes.Count(data, []byte{0xEE}); n != 5000 {
		t.Errorf("the byte is there %d times", n)
	}
	f := mustOpen(t, data)
	for n := uint32(1); n < f.pages; n++ {
		p := f.cutPage(n)
		if !p.isHash() {
			continue
		}
		if !allZero(p.bytes[f.headerSize()+2*p.entries : p.low]) {
			t.Errorf("page %d: free space is not zero", n)
		}
	}
}

func TestHashOfProbe(t *testing.T) {
	if got := hashKey(probeKey); got != 0x5e688dd1 {
		t.Errorf("got %#x, libdb writes 0x5e688dd1", got)
	}
}

// TestChecksumSkipsItself compares with the definition: the field is zero.
func TestChecksumSkipsItself(t *testing.T) {
	page := dbmtest.Bytes(dbmtest.Seeded(), 512)
	blank := bytes.Clone(page)
	binary.LittleEndian.PutUint32(blank[28:], 0)
	if got, want := checksum(page, 28), hashOld(blank); got != want {
		t.Errorf("got %#x, want %#x", got, want)
	}
}

func TestCompareKeys(t *testing.T) {
	on := func(s string) pageKey { return pageKey{[]byte(s), false} }
	off := func(s string) pageKey { return pageKey{[]byte(s), true} }
	for _, test := range []struct {
		first, second pageKey
	}{
		{on("a"), on("b")},
		{on("b"), on("\xff")},
		{on("aa"), on("a")}, // both on-page: longer first
		{on("a"), on("")},
		{on("a"), off("aa")}, // one off-page: shorter first
		{off("a"), on("aa")},
		{off("a"), off("aa")},
		{off("a"), on("b")},
	} {
		if compareKeys(test.first, test.second) >= 0 || compareKeys(test.second, test.first) <= 0 {
			t.Errorf("%q (off-page %v) should come before %q (%v)", test.first.bytes, test.first.offPage, test.second.bytes, test.second.offPage)
		}
	}
}

// TestRewriteLongKeys: a key longer than a quarter of a page stays, in a file that
// was damaged elsewhere too, and no new one comes.
func TestRewriteLongKeys(t *testing.T) {
	t.Parallel()
	long := func(c byte) dbm.Record {
		return dbm.Record{Key: bytes.Repeat([]byte{c}, 1025), Value: []byte("1")}
	}
	old := mustBuild(t, []dbm.Record{long('a'), {Key: []byte("c"), Value: []byte("3")}}, Options{LongKeys: KeepLongKeys})
	damaged := bytes.Clone(old)
	damaged[bytes.LastIndexByte(damaged, 'c')] = 'b' // which belongs into the other bucket
	for _, f := range []*File{mustOpen(t, old), mustOpen(t, damaged)} {
		if _, err := f.Rewrite([]dbm.Record{{Key: []byte("b"), Value: []byte("2")}, long('a')}); err != nil {
			t.Errorf("a long key of the file: %v", err)
		}
		if data, err := f.Rewrite([]dbm.Record{long('a'), long('b')}); err == nil || data != nil {
			t.Error("a new long key is taken")
		}
	}
	if _, faults := mustOpen(t, damaged).Records(); faults == nil {
		t.Error("the damaged file is sound")
	}
}
