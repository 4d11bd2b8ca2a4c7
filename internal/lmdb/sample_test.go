package lmdb

import (
	"maps"
	"slices"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

// codec is this package, as seen by the tests that all formats have.
var codec = dbmtest.Codec[*File, layout]{
	Open:       Open,
	Build:      build,
	Again:      again,
	Check:      check,
	CheckMade:  checkClean,
	CheckAgain: func(testing.TB, *File, *File) {}, // Build makes one layout
	Refuses:    func(key []byte, l layout) bool { return len(key) == 0 || len(key) > l.maxKey() },
	Unit:       func(f *File) int { return f.pageSize },
	Head:       160,
}

// again makes a file of other layout. The keys of a liblmdb that was built for long
// ones are right to be refused.
func again(_ *File, records []dbm.Record) ([]byte, error) {
	data, err := Build(records)
	if err != nil && slices.ContainsFunc(records, func(r dbm.Record) bool { return len(r.Key) > maxKey }) {
		return nil, nil
	}
	return data, err
}

// check: a file that nobody writes is settled, and no record is missing without a
// word. One that is different cannot be told, for LMDB has no checksums.
func check(t testing.TB, f *File, _ []dbm.Record) {
	t.Helper()
	if !f.Settled(f.data[:min(len(f.data), f.HeadSize())]) || !f.Settled(f.data) {
		t.Error("the file is not settled, yet nobody writes")
	}
	c := f.collect()
	if n := uint64(len(c.found) + c.databases); c.faults.Len() == 0 && n != f.main.entries {
		t.Errorf("%d of %d records without a word", n, f.main.entries)
	}
}

// checkSound wants exactly these records, from which the file can be built anew.
func checkSound(t testing.TB, f *File, want map[string]string) {
	t.Helper()
	dbmtest.CheckRecords(t, f, want)
	check(t, f, nil)
	rebuilt, _ := mustOpen(t, dbmtest.Must(Build(dbmtest.Records(want)))(t)).Records()
	if !maps.Equal(dbmtest.Map(t, rebuilt), want) {
		t.Error("the file built of the records has others")
	}
}

// checkClean does not want warnings either.
func checkClean(t testing.TB, f *File, want map[string]string) {
	t.Helper()
	checkSound(t, f, want)
	if _, warnings := f.Verify(); warnings != nil {
		t.Errorf("warnings: %v", warnings)
	}
}

func mustBuild(t testing.TB, records []dbm.Record, l layout) []byte {
	t.Helper()
	return dbmtest.Must(build(records, l))(t)
}

func mustOpen(t testing.TB, data []byte) *File {
	t.Helper()
	return dbmtest.Must(Open(data))(t)
}

func sampleNames(t testing.TB) []string { t.Helper(); return dbmtest.Samples.Names(t, "lmdb") }

func TestSamples(t *testing.T) {
	codec.TestSamples(t, sampleNames(t), func(*testing.T, *File, dbmtest.Sidecar) {})
}

func TestCorruption(t *testing.T) { codec.TestCorruption(t, sampleNames(t)...) }

func TestIs(t *testing.T) {
	for _, name := range sampleNames(t) {
		if !Is(dbmtest.Samples.Read(t, name)) {
			t.Errorf("%s is not recognised", name)
		}
	}
}
