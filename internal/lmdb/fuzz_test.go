package lmdb

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
	for _, name := range sampleNames(f) {
		if data := readSample(f, name); len(data) <= maxFuzzFile {
			f.Add(data)
		}
	}
	// Small pages let the fuzzer reach everything with short inputs.
	for _, l := range machines {
		l.pageSize = 256
		f.Add(mustBuild(f, randomRecords(seeded(), 20, l), l))
		f.Add(mustBuild(f, randomRecords(seeded(), 0, l)[:5], l))
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
	want := asMap(t, records)
	scanned := map[string]string{}
	if fault := f.Scan(func(k, v []byte) { scanned[string(k)] = string(v) }); (fault == nil) != (seen == nil) {
		t.Fatalf("Scan says %v, Records %v", fault, seen)
	} else if fault == nil && !maps.Equal(scanned, want) {
		t.Fatalf("Scan gives %d records, Records %d", len(scanned), len(want))
	}
	if !f.Settled(data) {
		t.Error("not settled")
	}
	if !bytes.Equal(data, before) {
		t.Fatal("the data were changed")
	}
	fuzzBuild(t, records, want)
}

// fuzzBuild: whatever could be read can be written in a form without faults,
// unless a key is too long.
func fuzzBuild(t *testing.T, records []dbm.Record, want map[string]string) {
	data, err := Build(records)
	if err != nil {
		for _, r := range records {
			if len(r.Key) > maxKey {
				return
			}
		}
		t.Fatal(err)
	}
	checkClean(t, mustOpen(t, data), want)
}

// FuzzBuild cuts its input into records: a length byte for the key and one for the
// value, in units that reach from nothing to beyond a page.
func FuzzBuild(f *testing.F) {
	f.Add([]byte("\x03\x02abcde\x01\x01xyz!"), byte(0))
	f.Add(bytes.Repeat([]byte("\x10\x11"), 300), byte(0xff))
	f.Add(bytes.Repeat([]byte("\x20\x00k"), 500), byte(0x05))
	f.Fuzz(func(t *testing.T, data []byte, choice byte) {
		l := machines[choice&3]
		l.pageSize = []int{256, 512, 4096, 32768}[choice>>2&3]
		records := cutRecords(data)
		want := map[string]string{}
		allowed := true
		for _, r := range records {
			want[string(r.Key)] = string(r.Value)
			allowed = allowed && len(r.Key) > 0 && len(r.Key) <= l.maxKey()
		}
		allowed = allowed && len(want) == len(records)
		file, err := build(records, l)
		if (err == nil) != allowed || (file == nil) == allowed {
			t.Fatalf("%d records, allowed %v: %v", len(records), allowed, err)
		}
		if allowed {
			checkClean(t, mustOpen(t, file), want)
		}
	})
}

func cutRecords(data []byte) (records []dbm.Record) {
	for len(data) >= 2 {
		k, v := int(data[0]), int(data[1])*5
		data = data[2:]
		k = min(k, len(data))
		v = min(v, len(data)-k)
		records = append(records, dbm.Record{Key: data[:k], Value: data[k : k+v]})
		data = data[k+v:]
	}
	return records
}
