package crypt

import "testing"

// BenchmarkMatches is a check of each scheme with its default cost, as its program makes
// it, or the first of them.
func BenchmarkMatches(b *testing.B) {
	seen := make(map[string]bool)
	for _, v := range vectors(b) {
		if v.scheme == refused || seen[v.scheme] {
			continue
		}
		seen[v.scheme] = true
		b.Run(v.scheme, func(b *testing.B) {
			h, err := Parse(v.stored)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !h.Matches(v.password) {
					b.Fatal("no match")
				}
			}
		})
	}
}

// BenchmarkParse is what a login costs beside the hash, if hashes are kept as they are
// stored.
func BenchmarkParse(b *testing.B) {
	for _, stored := range []string{"$6$saltsaltsaltsalt$" + digits86, "$y$j9T$saltsaltsaltsaltsalts/$" + digits43, "{SSHA}EwDfAwmutrlR3m2oFG7jbIFFsQdCa/g5"} {
		b.Run(stored[:4], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(stored); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
