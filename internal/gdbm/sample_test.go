package gdbm

import (
	"errors"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

// codec is this package, as seen by the tests that all formats have.
var codec = dbmtest.Codec[*File, Layout]{
	Open:       Open,
	Build:      Build,
	Again:      (*File).Rewrite,
	Check:      checkLookups,
	CheckMade:  checkRecords,
	CheckAgain: checkAgain,
	Unit:       func(f *File) int { return int(f.blockSize) },
	Head:       160,
}

// checkRecords allows the warning that chars are not the usual ones.
func checkRecords(t testing.TB, f *File, want map[string]string) {
	t.Helper()
	dbmtest.CheckRecords(t, f, want)
}

func checkAgain(t testing.TB, before, after *File) {
	t.Helper()
	want, got := before.Layout(), after.Layout()
	if _, faults := before.Records(); faults != nil && got.Chars == UsualChars {
		got.Chars = want.Chars // those of a record that was lost
	}
	if got != want {
		t.Errorf("layout was %+v, is %+v", want, got)
	}
	if want.Variant == Numsync && after.numsync != before.numsync+1 {
		t.Errorf("counter was %d, is %d", before.numsync, after.numsync)
	}
}

func mustBuild(t testing.TB, records []dbm.Record, l Layout) []byte {
	t.Helper()
	return dbmtest.Must(Build(records, l))(t)
}

func mustOpen(t testing.TB, data []byte) *File {
	t.Helper()
	return dbmtest.Must(Open(data))(t)
}

func TestSamples(t *testing.T) {
	codec.TestSamples(t, dbmtest.Samples.Names(t, "gdbm"), checkSound)
}

func checkSound(t *testing.T, f *File, s dbmtest.Sidecar) {
	t.Helper()
	l := f.Layout()
	if l.BigEndian != s.BigEndian || (l.Width == Offsets64Packed) != s.Packed {
		t.Errorf("layout %+v", l)
	}
	chars := SignedChars
	if s.Unsigned {
		chars = UnsignedChars
	}
	if l.Chars != UsualChars && l.Chars != chars {
		t.Errorf("%v chars, the sidecar says %v", l.Chars, chars)
	}
	_, warnings := f.Verify()
	if foreign := l.Chars != UsualChars && l.Chars != usualChars(l.order()); (warnings != nil) != foreign {
		t.Errorf("warnings about a healthy file: %v", warnings)
	}
}

func TestCorruption(t *testing.T) {
	codec.TestCorruption(t, "gdbm-200-users-block512.db", "gdbm-value-sizes.db", "gdbm-entries-deleted.db",
		"gdbm-s390x.db", "gdbm-i386.db", "gdbm-32-bit-offsets.db")
}

func TestOpenOther(t *testing.T) {
	for _, name := range []string{"bdb-one-user.db", "bad-zero-length.db"} {
		data := dbmtest.Samples.Read(t, name)
		f, err := Open(data)
		var refusal *dbm.FormatError
		if f != nil || err == nil || errors.As(err, &refusal) != (len(data) > 0) || !strings.HasPrefix(err.Error(), "gdbm: ") {
			t.Errorf("%s: %v, %v", name, f, err)
		}
		if Is(data) {
			t.Errorf("%s is taken for GDBM", name)
		}
	}
	if !Is(dbmtest.Samples.Read(t, "gdbm-one-user.db")[:4]) {
		t.Error("4 bytes are not enough")
	}
}
