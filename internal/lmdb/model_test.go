package lmdb

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
	"github.com/saslkit/saslkit/internal/peers"
)

var (
	modelRounds = flag.Int("model.rounds", 30, "transactions of each test with a model")
	modelSeed   = flag.Uint64("model.seed", 1, "seed of the tests with a model")
)

// A model is a file that liblmdb changes, and what should be in it.
type model struct {
	*peer
	r       *rand.Rand
	records map[string]string
	free    int // the most pages that were free, to see that some were
	depth   int // the most levels
	beyond  int // states whose last page is past the end of the file
}

// TestModel lets liblmdb fill a file and empty it again by random transactions, and
// compares what we read after each of them with a map.
//
//	go test ./internal/lmdb -run Model -v -model.rounds 5000 -model.seed 2
//
// With -model.peer and liblmdb linked statically it also passes for other machines,
// for which we then build files as well: i386 (words of 4 bytes), s390x (big-endian)
// and powerpc (both), which qemu runs; and for pages of 2048 to 32768 bytes.
func TestModel(t *testing.T) {
	program := buildPeer(t)
	for i, how := range []string{plain, writeMap} {
		t.Run("made by liblmdb, "+how, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "sasldb2")
			p := startPeer(t, program, path, 8<<20, how)
			m := &model{peer: p, r: rand.New(rand.NewPCG(*modelSeed, uint64(i))), records: map[string]string{}}
			m.play(*modelRounds)
		})
		for _, n := range []int{0, 70, 400} {
			t.Run(fmt.Sprintf("made by us with %d users, %s", n, how), func(t *testing.T) {
				t.Parallel()
				testModelOfOurs(t, program, n, how, rand.New(rand.NewPCG(*modelSeed, uint64(100*n+i))))
			})
		}
	}
}

// testModelOfOurs has liblmdb look up every key of a file of ours, then change it.
func testModelOfOurs(t *testing.T, program string, n int, how string, r *rand.Rand) {
	path := filepath.Join(t.TempDir(), "empty")
	native := startPeer(t, program, path, 0, plain).read().layout
	records := dbmtest.Users(n)
	if n > 1 {
		records = append(records, randomRecords(r, n, native)...)
	}
	path = filepath.Join(t.TempDir(), "sasldb2")
	if err := os.WriteFile(path, mustBuild(t, records, native), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &model{peer: startPeer(t, program, path, 0, how), r: r, records: dbmtest.Map(t, records)}
	m.do("begin")
	if got := m.list(); !maps.Equal(got, m.records) {
		t.Errorf("liblmdb lists %d records, want %d, or they differ", len(got), len(m.records))
	}
	for key, value := range m.records {
		if got := m.ask("get %s", toHex([]byte(key))); got != toHex([]byte(value)) {
			t.Errorf("liblmdb looks %.40q up and gets %.40s", key, got)
		}
	}
	m.do("abort")
	m.check()
	m.play(*modelRounds)
}

// play makes transactions, in turns with more puts and more deletes.
func (m *model) play(rounds int) {
	for i := range rounds {
		puts := 3 + 6*(i/15%2) // of 12
		m.transaction(puts)
		m.check()
		if m.t.Failed() {
			m.t.Fatalf("after transaction %d of seed %d", i, *modelSeed)
		}
	}
	m.do("begin")
	for key := range m.records {
		m.del([]byte(key))
	}
	m.do("commit")
	clear(m.records)
	m.check()
	m.t.Logf("%d transactions, up to %d levels and %d free pages, %d times a file shorter than its last page",
		rounds+1, m.depth, m.free, m.beyond)
}

func (m *model) transaction(puts int) {
	before := maps.Clone(m.records)
	m.do("begin")
	for range 1 + m.r.IntN(60) {
		if m.r.IntN(12) < puts {
			r := m.record()
			m.put(r)
			m.records[string(r.Key)] = string(r.Value)
		} else {
			key := m.someKey()
			m.del(key)
			delete(m.records, string(key))
		}
	}
	if m.r.IntN(10) == 0 {
		m.do("abort")
		m.records = before
		return
	}
	m.do("commit")
}

// someKey returns mostly a key that is there.
func (m *model) someKey() []byte {
	if len(m.records) > 0 && m.r.IntN(8) > 0 {
		keys := slices.Sorted(maps.Keys(m.records))
		return []byte(keys[m.r.IntN(len(keys))])
	}
	return m.record().Key
}

func (m *model) record() dbm.Record {
	key := fmt.Appendf(nil, "user%d\x00example.com\x00userPassword", m.r.IntN(400))
	if m.r.IntN(3) == 0 {
		key = append(bytes.Repeat([]byte("k"), m.r.IntN(500)), fmt.Sprint(m.r.IntN(100))...)
	}
	var size int
	switch n := m.r.IntN(20); {
	case n < 12:
		size = m.r.IntN(60)
	case n < 16:
		size = m.r.IntN(800)
	case n < 19:
		size = 1400 + m.r.IntN(800)
	default:
		size = m.r.IntN(20000)
	}
	return dbm.Record{Key: key, Value: dbmtest.Bytes(m.r, size)}
}

// check reads the file.
func (m *model) check() {
	m.t.Helper()
	f := m.read()
	checkClean(m.t, f, m.records)
	m.depth = max(m.depth, int(f.main.depth))
	if f.last >= uint64(f.pages) {
		m.beyond++
	}
	freed := (&verifier{collector: f.collect()}).checkFree()
	free := 0
	for n := range f.pages {
		if freed.Has(n) {
			free++
		}
	}
	m.free = max(m.free, free)
}

// TestTools: what liblmdb-utils print of a file of ours.
func TestTools(t *testing.T) {
	stat, dump := peers.Need(t, "mdb_stat", "lmdb-utils"), peers.Need(t, "mdb_dump", "lmdb-utils")
	for _, n := range []int{0, 1, 500, 5000} {
		records := randomRecords(dbmtest.Seeded(), n, standard)
		data, err := Build(records)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "sasldb2")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		told := mustRun(t, stat, "-e", "-f", "-f", "-f", "-n", path)
		for _, want := range []string{fmt.Sprintf("  Entries: %d\n", len(records)), "Last transaction ID: 1\n", "Free pages: 0\n",
			fmt.Sprintf("Number of pages used: %d\n", len(data)/4096)} {
			if !strings.Contains(told, want) {
				t.Errorf("mdb_stat does not say %q:\n%s", want, told)
			}
		}
		if got := dbmtest.ParseDump(t, mustRun(t, dump, "-n", path)); !maps.Equal(got, dbmtest.Map(t, records)) {
			t.Errorf("mdb_dump lists %d records, want %d, or they differ", len(got), len(records))
		}
	}
}

// TestOtherDatabases: named databases are passed over, duplicates refused.
func TestOtherDatabases(t *testing.T) {
	program := buildPeer(t)
	p := startPeer(t, program, filepath.Join(t.TempDir(), "named"), 0, plain)
	p.do("begin")
	p.put(dbm.Record{Key: []byte("key"), Value: []byte("value")})
	p.do("use inner none")
	p.put(dbm.Record{Key: []byte("not a key"), Value: []byte("of the main database")})
	p.do("commit")
	f := p.read()
	checkSound(t, f, map[string]string{"key": "value"})
	_, warnings := f.Verify()
	dbmtest.CheckFound(t, "warning", warnings, "page 1: the main tree has 1 named databases")

	p = startPeer(t, program, filepath.Join(t.TempDir(), "duplicates"), 0, plain)
	p.do("begin")
	p.do("use - dupsort")
	p.put(dbm.Record{Key: []byte("key"), Value: []byte("one")})
	p.put(dbm.Record{Key: []byte("key"), Value: []byte("two")})
	p.do("commit")
	data, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := Open(data); f != nil || err == nil || !strings.Contains(err.Error(), "flags 0x4 (duplicates") {
		t.Errorf("duplicates: %v, %v", f, err)
	}
}
