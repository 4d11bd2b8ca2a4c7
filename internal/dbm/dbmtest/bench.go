package dbmtest

import (
	"fmt"
	"testing"
)

// Benchmark measures everything for sites of so many users. Build is an import: the
// records come in no order. Again is a change: they come in that of the file.
func (c Codec[F, L]) Benchmark(b *testing.B, l L, users ...int) {
	for _, n := range users {
		records := Users(n)
		Seeded().Shuffle(n, func(i, j int) { records[i], records[j] = records[j], records[i] })
		data := Must(c.Build(records, l))(b)
		f := Must(c.Open(data))(b)
		inOrder, faults := f.Records()
		if len(inOrder) != n || faults != nil {
			b.Fatal(len(inOrder), faults)
		}
		for _, step := range []struct {
			name string
			run  func()
		}{
			{"Open", func() { c.Open(data) }},
			{"Records", func() { f.Records() }},
			{"Scan", func() { f.Scan(func(_, _ []byte) {}) }},
			{"Verify", func() { f.Verify() }},
			{"Build", func() { c.Build(records, l) }},
			{"Again", func() { c.Again(f, inOrder) }},
		} {
			b.Run(fmt.Sprintf("%s/users=%d", step.name, n), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					step.run()
				}
				b.ReportMetric(float64(len(data))/float64(n), "B/user")
			})
		}
	}
}
