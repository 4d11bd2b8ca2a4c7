package gdbm

import (
	"bytes"
	"errors"
	"maps"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// maxFuzzFile keeps a single round short.
const maxFuzzFile = 64 << 10

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"gdbm-empty.db", "gdbm-numsync-empty.db", "gdbm-200-users-block512.db", "gdbm-utf8-names.db", "gdbm-s390x.db",
		"gdbm-i386.db", "gdbm-arm64-numsync.db", "gdbm-32-bit-offsets.db", "gdbm-entries-deleted.db", "bad-gdbm-truncated.db", "bad-gdbm-dir-offset.db"} {
		f.Add(readSample(f, name))
	}
	// Small blocks let the fuzzer reach everything with short inputs.
	for _, l := range []Layout{{BlockSize: 512}, {BlockSize: 512, BigEndian: true, Width: Offsets32, Variant: Original}, {BlockSize: 512, Variant: Numsync}} {
		data, err := Build(userRecords(20), l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{})
	f.Fuzz(fuzzOpen)
}

func fuzzOpen(t *testing.T, data []byte) {
	if len(data) > maxFuzzFile {
		return
	}
	before := bytes.Clone(data)
	f, err := Open(data)
	if err != nil {
		var refusal *dbm.FormatError
		var damage *dbm.DamageError
		if f != nil || !errors.As(err, &refusal) && !errors.As(err, &damage) {
			t.Fatalf("Open = %v, %v", f, err)
		}
		return
	}
	records := checkAgreement(t, f)
	if !bytes.Equal(data, before) {
		t.Fatal("the data were changed")
	}
	fuzzRewrite(t, f, records)
}

// checkAgreement: Records, Scan and Verify say the same of any file, and a record
// is where a look-up finds it.
func checkAgreement(t *testing.T, f *File) []dbm.Record {
	t.Helper()
	records, seen := f.Records()
	want := asMap(t, records)
	faults, _ := f.Verify()
	if len(faults) < len(seen) {
		t.Errorf("Records reports %d faults, Verify %d", len(seen), len(faults))
	}
	scanned := map[string]string{}
	fault := f.Scan(func(key, value []byte) { scanned[string(key)] = string(value) })
	if (fault == nil) != (seen == nil) {
		t.Errorf("Scan says %v, Records %v", fault, seen)
	} else if fault == nil && !maps.Equal(scanned, want) {
		t.Errorf("Scan gives %d records, Records %d", len(scanned), len(want))
	}
	chars := f.Layout().Chars
	for _, r := range records[:min(len(records), 50)] {
		if got, ok := lookup(f, chars, r.Key); !ok || !bytes.Equal(got, r.Value) {
			t.Errorf("a look-up of %.40q gives %.40q, %v", r.Key, got, ok)
		}
	}
	return records
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

// fuzzRewrite: whatever could be read can be written in a form without faults.
func fuzzRewrite(t *testing.T, f *File, records []dbm.Record) {
	again, err := f.Rewrite(records)
	if err != nil {
		t.Fatal(err)
	}
	g := mustOpen(t, again)
	checkRecords(t, g, asMap(t, records))
	l, m := f.Layout(), g.Layout()
	if m.Chars == UsualChars {
		m.Chars = l.Chars // those of a record that was lost
	}
	if l != m || g.numsync != 0 && g.numsync != f.numsync+1 {
		t.Fatalf("layout was %+v, is %+v", l, m)
	}
}

// FuzzBuild cuts its input into records: a length byte for the key and one for the
// value, in units that reach from nothing to beyond a block.
func FuzzBuild(f *testing.F) {
	f.Add([]byte("\x03\x02abcde\x00\x00\x01\x01xy"), byte(0))
	f.Add(bytes.Repeat([]byte("\x40\x41"), 300), byte(0xff))
	f.Add(bytes.Repeat([]byte("\x03\x00k"), 500), byte(0x55))
	f.Fuzz(func(t *testing.T, data []byte, choice byte) {
		l := Layout{
			BlockSize: []uint32{512, 1024, 0, 65536}[choice&3],
			Variant:   Variant(choice >> 2 % 3),
			Width:     Width(choice >> 4 % 3),
			BigEndian: choice&64 != 0,
			Chars:     Chars(choice >> 7),
		}
		records := cutRecords(data)
		want := map[string]string{}
		for _, r := range records {
			want[string(r.Key)] = string(r.Value)
		}
		file, err := Build(records, l)
		if twice := len(want) < len(records); twice || err != nil {
			if !twice || err == nil || file != nil {
				t.Fatalf("%d records, %d keys: %v", len(records), len(want), err)
			}
			return
		}
		checkRecords(t, mustOpen(t, file), want)
	})
}

func cutRecords(data []byte) (records []dbm.Record) {
	for len(data) >= 2 {
		k, v := int(data[0]), int(data[1])*3
		data = data[2:]
		k = min(k, len(data))
		v = min(v, len(data)-k)
		records = append(records, dbm.Record{Key: data[:k], Value: data[k : k+v]})
		data = data[k+v:]
	}
	return records
}
