package bdb

import (
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

// codec is this package, as seen by the tests that all formats have.
var codec = dbmtest.Codec[*File, Options]{
	Open:       Open,
	Build:      Build,
	Again:      again,
	Check:      func(testing.TB, *File, []dbm.Record) {},
	CheckMade:  func(t testing.TB, f *File, want map[string]string) { t.Helper(); dbmtest.CheckClean(t, f, want) },
	CheckAgain: checkAgain,
	Unit:       func(f *File) int { return int(f.pageSize) },
	Head:       64,
}

// again is Rewrite, for files that it refuses too.
func again(f *File, records []dbm.Record) ([]byte, error) {
	return Build(records, Options{againLayout(f), KeepLongKeys})
}

// againLayout is that of the file unless it is of version 10, which is not written.
func againLayout(f *File) Layout {
	l := f.Info().Layout
	l.Version = min(l.Version, 9)
	return l
}

func checkAgain(t testing.TB, before, after *File) {
	t.Helper()
	if got, want := after.Info().Layout, againLayout(before); got != want {
		t.Errorf("layout is %+v, want %+v", got, want)
	}
}

func mustBuild(t testing.TB, records []dbm.Record, o Options) []byte {
	t.Helper()
	return dbmtest.Must(Build(records, o))(t)
}

func mustOpen(t testing.TB, data []byte) *File {
	t.Helper()
	return dbmtest.Must(Open(data))(t)
}

func TestSamples(t *testing.T) {
	codec.TestSamples(t, dbmtest.Samples.Names(t, "berkeleydb", "unknown"), checkSound)
}

func checkSound(t *testing.T, f *File, s dbmtest.Sidecar) {
	t.Helper()
	if _, warnings := f.Verify(); s.Expect == "ok" && warnings != nil {
		t.Errorf("warning about a healthy file: %v", warnings)
	}
	info := f.Info()
	want := Layout{s.Version, s.PageSize, s.ByteOrder == "big", s.Checksummed}
	if info.Layout != want || info.Buckets != s.Buckets || info.Pages != s.LastPage+1 || info.ForeignHash {
		t.Errorf("info is %+v, the sidecar says %+v, %d buckets, last page %d", info, want, s.Buckets, s.LastPage)
	}
	if info.Duplicates != (s.Expect == "ok-read") {
		t.Errorf("duplicates: %v", info.Duplicates)
	}
}

func TestCorruption(t *testing.T) {
	codec.TestCorruption(t, "bdb-three-users-two-realms.db", "bdb-page-512.db", "bdb-value-sizes.db", "bdb-chained.db",
		"bdb-checksummed.db", "bdb-checksummed-big-endian.db", "bdb-prefix-keys.db", "bdb-overflow-freed.db")
}
