package bdb

import (
	"fmt"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// benchmarkUsers runs a benchmark for a small site and a large one.
func benchmarkUsers(b *testing.B, l Layout, run func(*testing.B, *File, []dbm.Record)) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			records := userRecords(n)
			seeded().Shuffle(n, func(i, j int) { records[i], records[j] = records[j], records[i] })
			f := mustOpen(b, mustBuild(b, records, Options{Layout: l}))
			b.SetBytes(int64(len(f.data)))
			b.ReportAllocs()
			run(b, f, records)
			b.ReportMetric(float64(len(f.data))/float64(n), "B/user")
		})
	}
}

func benchmarkRecords(b *testing.B, l Layout) {
	benchmarkUsers(b, l, func(b *testing.B, f *File, want []dbm.Record) {
		for b.Loop() {
			if records, faults := f.Records(); len(records) != len(want) || faults != nil {
				b.Fatal(len(records), faults)
			}
		}
	})
}

func BenchmarkRecords(b *testing.B)            { benchmarkRecords(b, Layout{}) }
func BenchmarkRecordsChecksummed(b *testing.B) { benchmarkRecords(b, Layout{Checksummed: true}) }

func BenchmarkScan(b *testing.B) {
	benchmarkUsers(b, Layout{}, func(b *testing.B, f *File, want []dbm.Record) {
		for b.Loop() {
			n := 0
			if fault := f.Scan(func(_, _ []byte) { n++ }); n != len(want) || fault != nil {
				b.Fatal(n, fault)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	benchmarkUsers(b, Layout{}, func(b *testing.B, f *File, _ []dbm.Record) {
		for b.Loop() {
			if faults, warnings := f.Verify(); faults != nil || warnings != nil {
				b.Fatal(faults, warnings)
			}
		}
	})
}

// BenchmarkBuild is an import: the records come in no order.
func BenchmarkBuild(b *testing.B) {
	benchmarkUsers(b, Layout{}, func(b *testing.B, _ *File, records []dbm.Record) {
		for b.Loop() {
			mustBuild(b, records, Options{})
		}
	})
}

// BenchmarkRewrite is a change: the records come in the order of the file.
func BenchmarkRewrite(b *testing.B) {
	benchmarkUsers(b, Layout{}, func(b *testing.B, f *File, _ []dbm.Record) {
		records, _ := f.Records()
		for b.Loop() {
			if _, err := f.Rewrite(records); err != nil {
				b.Fatal(err)
			}
		}
	})
}
