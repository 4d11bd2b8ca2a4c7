package lmdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
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

// randomRecords returns records with different keys, some of the greatest length,
// and nodes and values about the sizes at which something changes.
func randomRecords(r *rand.Rand, n int, l layout) []dbm.Record {
	var sizes []int
	for _, around := range []int{l.nodeMax() - 16, l.pageSize - l.header(), l.pageSize, 2*l.pageSize - l.header(), 3*l.pageSize + 7} {
		sizes = append(sizes, around-2, around-1, around, around+1, around+2)
	}
	longest := bytes.Repeat([]byte("K"), l.maxKey())
	return append([]dbm.Record{{Key: longest, Value: dbmtest.Bytes(r, 10)}, {Key: longest[1:], Value: dbmtest.Bytes(r, 10)}},
		dbmtest.Random(r, n, sizes...)...)
}

func TestBuildIsReadBack(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		for _, n := range []int{0, 1, 30, 1000} {
			records := randomRecords(dbmtest.Seeded(), n, l)
			data := mustBuild(t, records, l)
			f := mustOpen(t, data)
			if f.layout != l {
				t.Errorf("layout %v, want %v", f.layout, l)
			}
			if !Is(data[:20]) {
				t.Error("20 bytes are not enough to recognise it")
			}
			checkClean(t, f, dbmtest.Map(t, records))
		}
	})
}

func TestBuildEmpty(t *testing.T) {
	data := mustBuild(t, nil, standard)
	checkClean(t, mustOpen(t, data), map[string]string{})
	theirs := dbmtest.Samples.Read(t, "lmdb-empty.db")
	clear(data[32:40])   // the map size
	clear(theirs[32:40]) // is 1 MiB there
	if !bytes.Equal(data[:4096], theirs[:4096]) {
		t.Error("page 0 differs from liblmdb's")
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		codec.TestDeterminism(t, randomRecords(dbmtest.Seeded(), 200, l), l)
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
			codec.CheckBuild(t, test.records, standard, test.want)
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

// TestBuildDensity: a user takes 58 bytes with header and offset.
func TestBuildDensity(t *testing.T) { codec.TestDensity(t, standard, 80, 1000, 20000) }

// TestBuildLeavesNoTrace looks for bytes of values everywhere but in their places.
func TestBuildLeavesNoTrace(t *testing.T) {
	data := mustBuild(t, dbmtest.Trace(), standard)
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
		checkClean(t, mustOpen(t, mustBuild(t, records, l)), dbmtest.Map(t, records))
	}
}
