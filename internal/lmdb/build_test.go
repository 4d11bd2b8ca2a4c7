package lmdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// standard is what Build makes.
var standard = layout{binary.LittleEndian, 8, 4096}

// eachLayout runs a test with layouts of all machines.
func eachLayout(t *testing.T, test func(*testing.T, layout)) {
	for _, l := range machines {
		for _, l.pageSize = range []int{256, 512, 4096, 32768} {
			t.Run(fmt.Sprintf("%v-word%d-page%d", l.order, l.word, l.pageSize), func(t *testing.T) {
				t.Parallel()
				test(t, l)
			})
		}
	}
}

// randomRecords returns records with different keys. Among them are the empty
// value, keys of the greatest length, keys that are the beginnings of others, and
// values about the sizes at which something changes.
func randomRecords(r *rand.Rand, n int, l layout) []dbm.Record {
	longest := l.maxKey()
	records := []dbm.Record{
		{Key: []byte("empty value"), Value: []byte{}},
		{Key: bytes.Repeat([]byte("K"), longest), Value: randomBytes(r, 10)},
		{Key: bytes.Repeat([]byte("K"), longest-1), Value: randomBytes(r, 10)},
	}
	for i := range 12 {
		records = append(records, dbm.Record{Key: []byte("prefixprefix")[:i+1], Value: randomBytes(r, i)})
	}
	for _, around := range []int{l.nodeMax() - 16, l.pageSize - l.header(), l.pageSize, 2*l.pageSize - l.header(), 3*l.pageSize + 7} {
		for size := around - 2; size <= around+2; size++ {
			records = append(records, dbm.Record{Key: fmt.Appendf(nil, "s %06d", size), Value: randomBytes(r, size)})
		}
	}
	for i := range n {
		key := fmt.Appendf(nil, "u%d\x00%s\x00userPassword", i, []string{"ex.com", "ex.org", ""}[r.IntN(3)])
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

func mustBuild(t testing.TB, records []dbm.Record, l layout) []byte {
	t.Helper()
	data, err := build(records, l)
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
	eachLayout(t, func(t *testing.T, l layout) {
		for _, n := range []int{0, 1, 30, 1000} {
			records := randomRecords(seeded(), n, l)
			data := mustBuild(t, records, l)
			f := mustOpen(t, data)
			if f.layout != l {
				t.Errorf("layout %v, want %v", f.layout, l)
			}
			if !Is(data[:20]) {
				t.Error("20 bytes are not enough to recognise it")
			}
			checkClean(t, f, asMap(t, records))
		}
	})
}

func TestBuildEmpty(t *testing.T) {
	data := mustBuild(t, nil, standard)
	checkClean(t, mustOpen(t, data), map[string]string{})
	theirs := readSample(t, "lmdb-empty.db")
	clear(data[32:40])   // the map size
	clear(theirs[32:40]) // is 1 MiB there
	if !bytes.Equal(data[:4096], theirs[:4096]) {
		t.Error("page 0 differs from liblmdb's")
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		records := randomRecords(seeded(), 200, l)
		before := slices.Clone(records)
		want := mustBuild(t, records, l)
		for i := range records {
			if !bytes.Equal(records[i].Key, before[i].Key) {
				t.Fatal("the order of the caller's records was changed")
			}
		}
		seeded().Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		if !bytes.Equal(mustBuild(t, records, l), want) {
			t.Error("another order of records gives another file")
		}
	})
}

func TestBuildRefuses(t *testing.T) {
	one := []dbm.Record{{Key: []byte("k"), Value: []byte("secret value")}}
	for _, test := range []struct {
		name    string
		records []dbm.Record
		want    string
	}{
		{"two records with one key", append(one, one...), "two records with one key"},
		{"empty key", []dbm.Record{{Value: []byte("secret")}}, "a key is empty"},
		{"long key", []dbm.Record{{Key: make([]byte, 512)}}, "key of 512 bytes, the limit is 511"},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := Build(test.records)
			if err == nil || data != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %d bytes and %v, want an error with %q", len(data), err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Error("the error tells the value")
			}
		})
	}
}

// TestBuildMapSize: 10 MiB, and twice the file if that is more.
func TestBuildMapSize(t *testing.T) {
	for _, size := range []int{10, 6 << 20} {
		data, err := Build([]dbm.Record{{Key: []byte("k"), Value: make([]byte, size)}})
		if err != nil {
			t.Fatal(err)
		}
		want := uint64(max(10<<20, 2*len(data)))
		for page := range uint32(2) {
			m, err := mustOpen(t, data).readMeta(page)
			if err != nil || m.mapSize != want || m.mapSize%4096 != 0 || m.transaction != uint64(page) {
				t.Errorf("page %d: %+v, %v; want map size %d", page, m, err, want)
			}
		}
	}
}

// TestBuildDensity keeps the files from growing: a user takes 58 bytes with header
// and offset.
func TestBuildDensity(t *testing.T) {
	for _, n := range []int{1000, 20000} {
		data := mustBuild(t, userRecords(n), standard)
		perUser := float64(len(data)) / float64(n)
		t.Logf("%5d users: %d bytes, %.0f each", n, len(data), perUser)
		if perUser > 80 {
			t.Errorf("%d users take %.0f bytes each", n, perUser)
		}
	}
}

// TestBuildLeavesNoTrace looks for bytes of values everywhere but in their places.
func TestBuildLeavesNoTrace(t *testing.T) {
	records := append(userRecords(100), dbm.Record{Key: []byte("k"), Value: bytes.Repeat([]byte{0xEE}, 5000)})
	data := mustBuild(t, records, standard)
	if n := bytes.Count(data, bytes.Repeat([]byte{0xEE}, 8)); n != 5000/8 {
		t.Errorf("8 bytes of the value are there %d times", n)
	}
	f := mustOpen(t, data)
	for n := uint32(metaPages); n < f.pages; n++ {
		page := f.cut(n)
		if kind := f.order.Uint16(page[10:]); kind != kindLeaf && kind != kindBranch {
			continue
		}
		lower, upper := f.order.Uint16(page[12:]), f.order.Uint16(page[14:])
		if bytes.Trim(page[lower:upper], "\x00") != nil {
			t.Errorf("page %d: free space is not zero", n)
		}
	}
}

// TestBuildBranches: no branch has one child, whatever the number of leaves.
func TestBuildBranches(t *testing.T) {
	l := layout{binary.LittleEndian, 8, 256}
	for n := range 400 {
		records := make([]dbm.Record, n)
		for i := range records {
			records[i] = dbm.Record{Key: fmt.Appendf(nil, "%032d", i), Value: make([]byte, 60)}
		}
		checkClean(t, mustOpen(t, mustBuild(t, records, l)), asMap(t, records))
	}
}
