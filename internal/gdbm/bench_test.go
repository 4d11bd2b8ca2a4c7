package gdbm

import "testing"

func Benchmark(b *testing.B) { codec.Benchmark(b, Layout{}, 1000) }
