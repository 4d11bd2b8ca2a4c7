package lmdb

import "testing"

func Benchmark(b *testing.B) { codec.Benchmark(b, standard, 1000) }
