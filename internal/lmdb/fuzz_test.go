package lmdb

import (
	"testing"

	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

func FuzzOpen(f *testing.F) {
	var seeds [][]byte
	for _, name := range sampleNames(f) {
		seeds = append(seeds, dbmtest.Samples.Read(f, name))
	}
	// Small pages let the fuzzer reach everything with short inputs.
	for _, l := range machines {
		l.pageSize = 256
		seeds = append(seeds, mustBuild(f, randomRecords(dbmtest.Seeded(), 20, l), l), mustBuild(f, randomRecords(dbmtest.Seeded(), 0, l)[:5], l))
	}
	codec.FuzzOpen(f, seeds...)
}

func FuzzBuild(f *testing.F) {
	codec.FuzzBuild(f, func(choice byte) layout {
		l := machines[choice&3]
		l.pageSize = []int{256, 512, 4096, 32768}[choice>>2&3]
		return l
	})
}
