package gdbm

import (
	"bytes"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

func FuzzOpen(f *testing.F) {
	var seeds [][]byte
	for _, name := range []string{"gdbm-empty.db", "gdbm-numsync-empty.db", "gdbm-200-users-block512.db", "gdbm-utf8-names.db", "gdbm-s390x.db",
		"gdbm-i386.db", "gdbm-arm64-numsync.db", "gdbm-32-bit-offsets.db", "gdbm-entries-deleted.db", "bad-gdbm-truncated.db", "bad-gdbm-dir-offset.db"} {
		seeds = append(seeds, dbmtest.Samples.Read(f, name))
	}
	// Small blocks let the fuzzer reach everything with short inputs.
	for _, l := range []Layout{{BlockSize: 512}, {BlockSize: 512, BigEndian: true, Width: Offsets32, Variant: Original}, {BlockSize: 512, Variant: Numsync}} {
		seeds = append(seeds, mustBuild(f, dbmtest.Users(20), l))
	}
	codec.FuzzOpen(f, seeds...)
}

// checkLookups: a record is where a look-up finds it.
func checkLookups(t testing.TB, f *File, records []dbm.Record) {
	t.Helper()
	chars := f.Layout().Chars
	for _, r := range records[:min(len(records), 50)] {
		if got, ok := lookup(f, chars, r.Key); !ok || !bytes.Equal(got, r.Value) {
			t.Errorf("a look-up of %.40q gives %.40q, %v", r.Key, got, ok)
		}
	}
}

// lookup finds a key as libgdbm does, step by step.
func lookup(f *File, chars Chars, key []byte) ([]byte, bool) {
	if chars == UsualChars {
		chars = SignedChars
	}
	hash := chars.hashKey(key)
	entry := hash >> (hashBits - f.dirBits)
	at := f.dirEntry(entry)
	b := &bucket{first: entry, last: entry, at: at, bytes: f.data[at:][:f.blockSize]}
	for i := range f.elems {
		n := (hash%f.elems + i) % f.elems
		if f.slotHash(b, n) == emptySlot {
			break
		}
		s := f.cutSlot(b, n)
		if s.hash == hash && int(s.key) == len(key) && bytes.Equal(f.data[s.at:][:s.key], key) {
			return f.data[s.at+uint64(s.key) : s.end()], true
		}
	}
	return nil, false
}

func FuzzBuild(f *testing.F) {
	codec.FuzzBuild(f, func(choice byte) Layout {
		return Layout{
			BlockSize: []uint32{512, 1024, 0, 65536}[choice&3],
			Variant:   Variant(choice >> 2 % 3),
			Width:     Width(choice >> 4 % 3),
			BigEndian: choice&64 != 0,
			Chars:     Chars(choice >> 7),
		}
	})
}
