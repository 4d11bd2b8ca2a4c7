package interop

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"

	"github.com/saslkit/saslkit/internal/peers"
)

// What package sasldb takes, beside what libdb takes for the same in the same run.
// The machine may be busy: medians of interleaved rounds are compared, and of the
// times none is asserted.
//
//	go test ./interop -run '^$' -bench Sasldb -benchtime 20x
//	go test ./interop -run SasldbMemory -v -sasldb.users 1000000

var (
	sasldbSizes = []int{1000, 100_000, 1_000_000} // users
	sasldbUsers = flag.Int("sasldb.users", 100_000, "users in the file of TestSasldbMemory")
)

// settle is how long a file must have been left alone for its stamp to count.
const settle = 2100 * time.Millisecond

func speedUser(i int) string { return fmt.Sprintf("user%07d", i) }

// speedRecords are users in the order in which they subscribed.
func speedRecords(n int) []sasldb.Record {
	records := make([]sasldb.Record, n)
	for i := range records {
		records[i] = sasldb.Record{Authid: speedUser(i), Realm: labRealm, Property: sasldb.PropertyPassword, Value: fmt.Appendf(nil, "pw-%011d", i)}
	}
	return records
}

// BenchmarkSasldbLookup looks random users up, in a file that libdb made. Units:
//
//	ns/lookup   ours, which includes a stat of the file
//	ns/cyrus    libdb's open, get and close, as Cyrus SASL does it for each login
//	ns/get      libdb's get alone, of a handle that stays open
//	of-cyrus, of-get   ours in relation to these
//	of-1k       ours in relation to a file of 1,000 users
func BenchmarkSasldbLookup(b *testing.B) {
	small := newSpeedFile(b, buildSpeedProgram(b), sasldbSizes[0])
	for _, n := range sasldbSizes {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			// As many as take some milliseconds: what the other process left in
			// the processor's caches is gone after the first thousand.
			const batch, opens = 20_000, 1000
			f := newSpeedFile(b, small.program, n)
			time.Sleep(settle)
			db, smallDB := f.open(b), small.open(b)
			var ours, cyrus, get, base timings
			for b.Loop() {
				cyrus.add(f.libdb(b, "cyrus", opens))
				get.add(f.libdb(b, "get", batch))
				ours.add(lookUp(b, db, n, batch))
				base.add(lookUp(b, smallDB, small.users, batch))
			}
			b.ReportMetric(0, "ns/op") // of a round, which says nothing
			b.ReportMetric(ours.median(), "ns/lookup")
			b.ReportMetric(cyrus.median(), "ns/cyrus")
			b.ReportMetric(get.median(), "ns/get")
			b.ReportMetric(ours.median()/cyrus.median(), "of-cyrus")
			b.ReportMetric(ours.median()/get.median(), "of-get")
			b.ReportMetric(ours.median()/base.median(), "of-1k")
		})
	}
}

// lookUp returns the nanoseconds for each of n look-ups.
func lookUp(b *testing.B, db *sasldb.DB, users, n int) float64 {
	requests := make([]verifier.Request, n)
	for i := range requests {
		requests[i] = verifier.Request{User: speedUser(rand.IntN(users)), Realm: labRealm}
	}
	start := time.Now()
	for _, r := range requests {
		if s, err := db.LookupSecret(b.Context(), r, verifier.KindPassword); err != nil || len(s.Value) != 14 {
			b.Fatal(err)
		}
	}
	return nanoseconds(start, n)
}

// BenchmarkSasldbImport makes a durable file of users that come in the order of
// their numbers: ours with Create, libdb's with a cache of 64 MB.
func BenchmarkSasldbImport(b *testing.B) {
	program := buildSpeedProgram(b)
	for _, n := range sasldbSizes {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			records := speedRecords(n)
			path := filepath.Join(b.TempDir(), "ours")
			f := startSpeedFile(b, program, n)
			var ours, libdb timings
			var size, libdbSize int64
			for b.Loop() {
				start := time.Now()
				if err := sasldb.Create(path, records); err != nil {
					b.Fatal(err)
				}
				ours.add(nanoseconds(start, n))
				size = fileSize(b, path)
				os.Remove(path)
				libdb.add(f.libdb(b, "load", n))
				libdbSize = fileSize(b, f.path)
				os.Remove(f.path)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours.median(), "ns/user")
			b.ReportMetric(libdb.median(), "ns/libdb-user")
			b.ReportMetric(ours.median()/libdb.median(), "of-libdb")
			b.ReportMetric(float64(size)/float64(n), "B/user")
			b.ReportMetric(float64(libdbSize)/float64(n), "B/libdb-user")
		})
	}
}

// BenchmarkSasldbChange changes one password durably: ours in a new file that takes
// the place of the old, libdb's in place.
func BenchmarkSasldbChange(b *testing.B) {
	program := buildSpeedProgram(b)
	for _, n := range sasldbSizes {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			f := newSpeedFile(b, program, n)
			var ours, libdb timings
			for b.Loop() {
				r := sasldb.Record{Authid: speedUser(rand.IntN(n)), Realm: labRealm, Property: sasldb.PropertyPassword, Value: fmt.Appendf(nil, "py-%011d", rand.Int32())}
				start := time.Now()
				if err := sasldb.Edit(b.Context(), f.path, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error { return tx.Set(r) }); err != nil {
					b.Fatal(err)
				}
				ours.add(nanoseconds(start, 1))
				libdb.add(f.libdb(b, "put", 1))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours.median()/1e6, "ms/change")
			b.ReportMetric(libdb.median()/1e6, "ms/libdb-change")
		})
	}
}

// TestSasldbMemory: a file takes at most 110 bytes for each user, and a server that
// has it open at most 1.5 times the file in memory. It is not parallel, for the
// memory of other tests would count.
func TestSasldbMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sasldb2")
	if err := sasldb.Create(path, speedRecords(*sasldbUsers)); err != nil {
		t.Fatal(err)
	}
	before := liveHeap()
	db, err := sasldb.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	held := float64(liveHeap()) - float64(before)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	size := float64(fileSize(t, path))
	users := float64(*sasldbUsers)
	t.Logf("%d users: the file has %.0f bytes, %.1f for each; open it takes %.0f, %.2f times that", *sasldbUsers, size, size/users, held, held/size)
	if size/users > 110 {
		t.Error("the file is too large")
	}
	if held > 1.5*size {
		t.Error("it takes too much memory")
	}
}

// liveHeap returns what garbage collection leaves; the second one also clears what
// pools kept and finalizers let go of.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A speedFile is a sasldb2 and the program that uses it through libdb.
type speedFile struct {
	program, path string
	users         int
	in            io.Writer
	out           *bufio.Reader
}

// buildSpeedProgram compiles testdata/sasldb_speed.c, which says what it does.
func buildSpeedProgram(b *testing.B) string {
	b.Helper()
	return peers.Compile(b, filepath.Join("testdata", "sasldb_speed.c"), peers.Libdb)
}

// newSpeedFile lets libdb make a file.
func newSpeedFile(b *testing.B, program string, users int) *speedFile {
	b.Helper()
	f := startSpeedFile(b, program, users)
	f.libdb(b, "load", users)
	return f
}

// startSpeedFile starts the program, which ends with the benchmark.
func startSpeedFile(b *testing.B, program string, users int) *speedFile {
	b.Helper()
	path := filepath.Join(b.TempDir(), "sasldb2")
	in, out := peers.Start(b, program, path, strconv.Itoa(users))
	return &speedFile{program, path, users, in, out}
}

// libdb has the program do a task n times and returns the nanoseconds for each.
func (f *speedFile) libdb(b *testing.B, task string, n int) float64 {
	b.Helper()
	fmt.Fprintln(f.in, task, n)
	line, err := f.out.ReadString('\n')
	if err != nil {
		b.Fatalf("%s: %v", task, err)
	}
	each, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
	if err != nil {
		b.Fatal(err)
	}
	return each
}

func (f *speedFile) open(b *testing.B) *sasldb.DB {
	b.Helper()
	db, err := sasldb.Open(f.path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// timings are what the rounds of a benchmark took.
type timings []float64

func (t *timings) add(ns float64) { *t = append(*t, ns) }

func (t timings) median() float64 {
	sorted := slices.Sorted(slices.Values(t))
	return sorted[len(sorted)/2]
}

func nanoseconds(start time.Time, n int) float64 {
	return float64(time.Since(start)) / float64(n)
}
