package gdbm

import "testing"

func BenchmarkRecords(b *testing.B) {
	data := mustBuild(b, userRecords(1000), Layout{})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if records, faults := mustOpen(b, data).Records(); len(records) != 1000 || faults != nil {
			b.Fatal(len(records), faults)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	data := mustBuild(b, userRecords(1000), Layout{})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if fault := mustOpen(b, data).Scan(func(_, _ []byte) { n++ }); n != 1000 || fault != nil {
			b.Fatal(n, fault)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	f := mustOpen(b, mustBuild(b, userRecords(1000), Layout{}))
	b.ReportAllocs()
	for b.Loop() {
		if faults, warnings := f.Verify(); faults != nil || warnings != nil {
			b.Fatal(faults, warnings)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	records := userRecords(1000)
	b.ReportAllocs()
	for b.Loop() {
		mustBuild(b, records, Layout{})
	}
}
