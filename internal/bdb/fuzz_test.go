package bdb

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
	for _, name := range []string{"bdb-one-user.db", "bdb-page-512.db", "bdb-checksummed-big-endian.db", "bdb-medium-values.db",
		"bdb-version7-unsorted.db", "bdb-dups-allowed.db", "bdb-overflow-freed.db", "bdb-btree.db", "bad-cycle.db", "bad-overflow-cycle.db",
		"bad-item-offset.db", "bad-truncated-half.db"} {
		f.Add(readSample(f, name))
	}
	// Small pages let the fuzzer reach everything with short inputs.
	for _, l := range []Layout{{PageSize: 512}, {PageSize: 512, BigEndian: true}, {PageSize: 512, Version: 8}} {
		data, err := Build(randomRecords(seeded(), 5, 512), Options{Layout: l})
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
	records, seen := f.Records()
	faults, _ := f.Verify()
	if len(faults) < len(seen) {
		t.Errorf("Records reports %d faults, Verify %d", len(seen), len(faults))
	}
	scanned := map[string]string{}
	if fault := f.Scan(func(k, v []byte) { scanned[string(k)] = string(v) }); (fault == nil) != (seen == nil) {
		t.Fatalf("Scan says %v, Records %v", fault, seen)
	} else if want := asMap(t, records); fault == nil && !maps.Equal(scanned, want) {
		t.Fatalf("Scan gives %d records, Records %d", len(scanned), len(want))
	}
	if !bytes.Equal(data, before) {
		t.Fatal("the data were changed")
	}
	fuzzRewrite(t, f, records)
}

// fuzzRewrite: whatever could be read can be written in a form without faults.
func fuzzRewrite(t *testing.T, f *File, records []dbm.Record) {
	layout := f.Info().Layout
	layout.Version = 9
	again, err := Build(records, Options{layout, KeepLongKeys})
	if err != nil {
		t.Fatal(err)
	}
	g := mustOpen(t, again)
	read, _ := g.Records()
	if !maps.Equal(asMap(t, read), asMap(t, records)) {
		t.Fatal("the rewritten file has other records")
	}
	if faults, warnings := g.Verify(); faults != nil || warnings != nil {
		t.Fatal(faults, warnings)
	}
}

// FuzzBuild cuts its input into records: a length byte for the key and one for the
// value, in units that reach from nothing to beyond a page.
func FuzzBuild(f *testing.F) {
	f.Add([]byte("\x03\x02abcde\x00\x00\x01\x01xy"), byte(0))
	f.Add(bytes.Repeat([]byte("\x40\x41"), 300), byte(0xff))
	f.Add(bytes.Repeat([]byte("\xc8\x00k"), 500), byte(0x55))
	f.Fuzz(func(t *testing.T, data []byte, choice byte) {
		l := Layout{
			Version:     []uint32{9, 8, 9, 0}[choice&3],
			PageSize:    []uint32{512, 1024, 0, 65536}[choice>>2&3],
			BigEndian:   choice&16 != 0,
			Checksummed: choice&32 != 0,
		}
		records := cutRecords(data)
		want := map[string]string{}
		for _, r := range records {
			want[string(r.Key)] = string(r.Value)
		}
		file, err := Build(records, Options{l, KeepLongKeys})
		if twice := len(want) < len(records); twice || err != nil {
			if !twice || err == nil || file != nil {
				t.Fatalf("%d records, %d keys: %v", len(records), len(want), err)
			}
			return
		}
		checkClean(t, mustOpen(t, file), want)
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
