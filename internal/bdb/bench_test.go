package bdb

import "testing"

func Benchmark(b *testing.B) { codec.Benchmark(b, Options{}, 1000, 1_000_000) }

func BenchmarkChecksummed(b *testing.B) {
	codec.Benchmark(b, Options{Layout: Layout{Checksummed: true}}, 1000, 1_000_000)
}
