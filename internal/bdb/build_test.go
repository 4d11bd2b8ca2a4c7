package bdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
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
// of a page. Among them are the empty key, the empty value, keys that are the
// beginnings of others, and values about the sizes at which something changes.
func randomRecords(r *rand.Rand, n int, pageSize uint32) []dbm.Record {
	quarter := int(pageSize) / 4
	records := []dbm.Record{
		{Key: []byte{}, Value: []byte("of the empty key")},
		{Key: []byte("empty value"), Value: []byte{}},
		{Key: bytes.Repeat([]byte("K"), quarter), Value: randomBytes(r, 10)},
		{Key: bytes.Repeat([]byte("K"), quarter-1), Value: randomBytes(r, 10)},
	}
	for i := range 12 {
		records = append(records, dbm.Record{Key: []byte("prefixprefix")[:i+1], Value: randomBytes(r, i)})
	}
	page := int(pageSize)
	for _, size := range []int{quarter - 1, quarter, quarter + 1, page - 33, page - 32, page - 31, page - 26, page - 25, page, 2 * page, 3*page + 7} {
		records = append(records, dbm.Record{Key: fmt.Appendf(nil, "size %d", size), Value: randomBytes(r, size)})
	}
	for i := range n {
		key := fmt.Appendf(nil, "user%d\x00%s\x00userPassword", i, []string{"example.com", "example.org", ""}[r.IntN(3)])
		records = append(records, dbm.Record{Key: key, Value: randomBytes(r, r.IntN(40))})
	}
	return records
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// userRecords are like those of a mail site, one for each user.
func userRecords(n int) []dbm.Record {
	records := make([]dbm.Record, n)
	for i := range records {
		records[i] = dbm.Record{Key: fmt.Appendf(nil, "user%04d\x00example.com\x00userPassword", i), Value: fmt.Appendf(nil, "pw-%011d", i)}
	}
	return records
}

func mustBuild(t testing.TB, records []dbm.Record, o Options) []byte {
	t.Helper()
	data, err := Build(records, o)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustOpen(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestBuildIsReadBack(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		for _, n := range []int{0, 1, 30, 400} {
			records := randomRecords(seeded(), n, l.PageSize)
			f := mustOpen(t, mustBuild(t, records, Options{Layout: l}))
			if got := f.Info().Layout; got != l {
				t.Errorf("layout %+v", got)
			}
			checkClean(t, f, asMap(t, records))
		}
	})
}

func TestBuildLongKeys(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		r := seeded()
		records := randomRecords(r, 50, l.PageSize)
		for n := range 30 { // beginnings of one another and of on-page keys
			long := append(bytes.Repeat([]byte("K"), int(l.PageSize)/4+1+n), "prefix"[:n%6]...)
			records = append(records, dbm.Record{Key: long, Value: randomBytes(r, n)})
		}
		checkClean(t, mustOpen(t, mustBuild(t, records, Options{l, KeepLongKeys})), asMap(t, records))
		if data, err := Build(records, Options{Layout: l}); err == nil || data != nil {
			t.Error("long keys are not refused")
		}
	})
}

func TestBuildOlderVersions(t *testing.T) {
	for _, l := range []Layout{{7, 4096, false, false}, {8, 512, true, false}, {8, 1024, false, true}} {
		records := randomRecords(seeded(), 100, l.PageSize)
		f := mustOpen(t, mustBuild(t, records, Options{Layout: l}))
		checkClean(t, f, asMap(t, records))
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
	checkClean(t, f, map[string]string{})
	// What saslpasswd2 leaves when the last user is gone has the same metadata.
	theirs := readSample(t, "bdb-empty.db")
	for _, field := range []struct{ from, to int }{{8, 40}, {48, 52}, {72, 224}, {492, 512}} {
		if !bytes.Equal(data[field.from:field.to], theirs[field.from:field.to]) {
			t.Errorf("metadata bytes %d to %d differ from libdb's", field.from, field.to)
		}
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		records := randomRecords(seeded(), 200, l.PageSize)
		before := slices.Clone(records)
		want := mustBuild(t, records, Options{Layout: l})
		for i := range records {
			if !bytes.Equal(records[i].Key, before[i].Key) {
				t.Fatal("the order of the caller's records was changed")
			}
		}
		seeded().Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		if !bytes.Equal(mustBuild(t, records, Options{Layout: l}), want) {
			t.Error("another order of records gives another file")
		}
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
			data, err := Build(test.records, Options{Layout: test.layout})
			if err == nil || data != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %d bytes and %v, want an error with %q", len(data), err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Error("the error tells the value")
			}
		})
	}
}

// TestBuildDensity keeps the files from growing: keys of 33 bytes and values of 14
// take 53 with their offsets.
func TestBuildDensity(t *testing.T) {
	for _, n := range []int{200, 300, 500, 1000, 1700, 3000, 5000, 10000, 20000} {
		data := mustBuild(t, userRecords(n), Options{})
		perUser := float64(len(data)) / float64(n)
		t.Logf("%5d users: %d bytes, %.0f each", n, len(data), perUser)
		if perUser > 120 {
			t.Errorf("%d users take %.0f bytes each", n, perUser)
		}
	}
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
	got, faults := f.Records()
	if want := asMap(t, records); !maps.Equal(asMap(t, got), want) || faults != nil {
		t.Errorf("got %d records, want %d, or they differ; %v", len(got), len(want), faults)
	}
	if faults, warnings := f.Verify(); faults != nil || warnings != nil {
		t.Error(faults, warnings)
	}
}

// TestBuildLeavesNoTrace looks for bytes of one value everywhere but in its place.
func TestBuildLeavesNoTrace(t *testing.T) {
	records := append(userRecords(100), dbm.Record{Key: []byte("k"), Value: bytes.Repeat([]byte{0xEE}, 5000)})
	data := mustBuild(t, records, Options{})
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
	page := randomBytes(seeded(), 512)
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
