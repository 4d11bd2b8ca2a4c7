package saslprep

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"testing"
	"unicode/utf8"
)

// The results for every code point, and for strings chosen to normalise, are
// those that testdata/reference.py computes from Python's Unicode 3.2 tables.
// It has the same generator of strings; testdata/README.md says how to find the
// input that makes a digest differ.
func TestReference(t *testing.T) {
	tests := []struct {
		name   string
		inputs iter.Seq[string]
		sha256 string
	}{
		{"code points", everyCodePoint, "baf318b347717042256f9000eb877e26577c157d1731136a46edfa5217aabb2f"},
		{"strings", referenceStrings(50000), "23447368ccebb119cddb68128aeac1ab7619e0585ec49a6508273792ba445cff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := sha256.New()
			for s := range tt.inputs {
				writeResults(h, s)
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != tt.sha256 {
				t.Errorf("SHA-256 of the results is %s, want %s", got, tt.sha256)
			}
		})
	}
}

// writeResults writes one line each for Query, Stored and Trace. A refusal is a
// NUL, which no result contains.
func writeResults(w io.Writer, s string) {
	query, err := Query(s)
	if err != nil {
		query = "\x00"
	}
	stored, err := Stored(s)
	if err != nil {
		stored = "\x00"
	}
	trace := "ok"
	if Trace(s) != nil {
		trace = "\x00"
	}
	fmt.Fprintf(w, "%s\n%s\n%s\n", query, stored, trace)
}

func everyCodePoint(yield func(string) bool) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if utf8.ValidRune(r) && !yield(string(r)) {
			return
		}
	}
}

type alphabet struct{ first, last rune }

var referenceAlphabets = []alphabet{
	{0x0020, 0x007E}, {0x00A0, 0x024F}, {0x0300, 0x036F}, {0x0370, 0x03FF}, {0x0590, 0x05FF},
	{0x0600, 0x06FF}, {0x0900, 0x0DFF}, {0x1100, 0x11FF}, {0x1B00, 0x1B7F}, {0x1DC0, 0x1DFF},
	{0x1E00, 0x1FFF}, {0x2000, 0x206F}, {0x2100, 0x218F}, {0x3040, 0x30FF}, {0xAC00, 0xAC7F},
	{0xFB00, 0xFEFF}, {0x11080, 0x110FF}, {0x1D150, 0x1D1FF}, {0x1F600, 0x1F64F}, {0x2F800, 0x2FA1F},
}

var referenceMarks = alphabet{0x0300, 0x036F}

// referenceStrings yields count strings of one to six characters from two
// alphabets; every 64th ends in more marks than x/text leaves together.
func referenceStrings(count int) iter.Seq[string] {
	return func(yield func(string) bool) {
		g := generator(1)
		for i := range count {
			two := [2]alphabet{}
			for j := range two {
				two[j] = referenceAlphabets[g.below(len(referenceAlphabets))]
			}
			var s []rune
			for range 1 + g.below(6) {
				s = append(s, g.oneOf(two[g.below(2)]))
			}
			if i%64 == 0 {
				for range 40 {
					s = append(s, g.oneOf(referenceMarks))
				}
			}
			if !yield(string(s)) {
				return
			}
		}
	}
}

// A generator makes the same numbers here and in reference.py.
type generator uint32

func (g *generator) below(n int) int {
	*g = *g*1664525 + 1013904223
	return int(*g>>16) % n
}

func (g *generator) oneOf(a alphabet) rune {
	return a.first + rune(g.below(int(a.last-a.first)+1))
}
