package bdb

import (
	"testing"

	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

func FuzzOpen(f *testing.F) {
	var seeds [][]byte
	for _, name := range []string{"bdb-one-user.db", "bdb-page-512.db", "bdb-checksummed-big-endian.db", "bdb-medium-values.db",
		"bdb-version7-unsorted.db", "bdb-dups-allowed.db", "bdb-overflow-freed.db", "bdb-btree.db", "bad-cycle.db", "bad-overflow-cycle.db",
		"bad-item-offset.db", "bad-truncated-half.db"} {
		seeds = append(seeds, dbmtest.Samples.Read(f, name))
	}
	// Small pages let the fuzzer reach everything with short inputs.
	for _, l := range []Layout{{PageSize: 512}, {PageSize: 512, BigEndian: true}, {PageSize: 512, Version: 8}} {
		seeds = append(seeds, mustBuild(f, randomRecords(dbmtest.Seeded(), 5, 512), Options{Layout: l}))
	}
	codec.FuzzOpen(f, seeds...)
}

func FuzzBuild(f *testing.F) {
	codec.FuzzBuild(f, func(choice byte) Options {
		return Options{LongKeys: KeepLongKeys, Layout: Layout{
			Version:     []uint32{9, 8, 9, 0}[choice&3],
			PageSize:    []uint32{512, 1024, 0, 65536}[choice>>2&3],
			BigEndian:   choice&16 != 0,
			Checksummed: choice&32 != 0,
		}}
	})
}
