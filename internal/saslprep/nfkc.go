package saslprep

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// nfkc is Normalization Form KC of Unicode 3.2 (UAX #15), with the composition
// rule of Corrigendum 5. The properties of single characters and pairs come
// from x/text: those of characters that 3.2 knew have not changed since, but
// for Corrigendum 4. The result may share memory with cs.
func nfkc(cs []char) []char {
	cs = decompose(cs)
	reorder(cs)
	return composed(cs)
}

// decompose replaces each character by its full compatibility decomposition and
// sets the combining classes.
func decompose(cs []char) []char {
	out := make([]char, 0, len(cs))
	for _, c := range cs {
		if isUnassigned(c.r) { // a starter that combines with nothing
			out = append(out, c)
			continue
		}
		for b := decomposition(beforeCorrigendum4(c.r)); len(b) > 0; {
			r, size := utf8.DecodeRune(b)
			out = append(out, char{r: r, ccc: norm.NFKD.Properties(b).CCC(), at: c.at})
			b = b[size:]
		}
	}
	return out
}

// decomposition returns the full compatibility decomposition of r in UTF-8,
// which is r itself for most. It must not be modified.
func decomposition(r rune) []byte {
	b := utf8.AppendRune(make([]byte, 0, utf8.UTFMax), r)
	if d := norm.NFKD.Properties(b).Decomposition(); d != nil {
		return d
	}
	if isHangulSyllable(r) { // computed, hence not among the properties
		return norm.NFKD.Bytes(b)
	}
	return b
}

// isHangulSyllable reports whether r is in the block U+AC00 to U+D7A3, whose
// decompositions are by rule (The Unicode Standard 3.0, section 3.11).
func isHangulSyllable(r rune) bool { return 0xAC00 <= r && r <= 0xD7A3 }

// beforeCorrigendum4 gives the five characters whose decomposition Unicode 4.0
// changed the one they had in 3.2, and leaves others as they are.
func beforeCorrigendum4(r rune) rune {
	switch r {
	case 0x2F868:
		return 0x2136A // since 4.0: U+36FC
	case 0x2F874:
		return 0x5F33 // since 4.0: U+5F53
	case 0x2F91F:
		return 0x43AB // since 4.0: U+243AB
	case 0x2F95F:
		return 0x7AAE // since 4.0: U+7AEE
	case 0x2F9BF:
		return 0x4D57 // since 4.0: U+45D7
	}
	return r
}

// reorder sorts each run of combining marks by class: the canonical ordering.
func reorder(cs []char) {
	for i := 0; i < len(cs); {
		if cs[i].ccc == 0 {
			i++
			continue
		}
		run := i
		for i < len(cs) && cs[i].ccc != 0 {
			i++
		}
		slices.SortStableFunc(cs[run:i], func(a, b char) int { return cmp.Compare(a.ccc, b.ccc) })
	}
}

// composed joins, in place, each character with the last starter before it
// where the two have a composite and nothing blocks the way: a character
// between them that is a starter, or has the same class or a higher one.
func composed(cs []char) []char {
	out := cs[:0]
	starter := -1 // index in out of the last starter; -1 when there is none yet
	for _, c := range cs {
		if starter >= 0 && !blocked(out[starter+1:], c) {
			if r, ok := compose(out[starter].r, c.r); ok {
				out[starter].r = r
				continue
			}
		}
		if c.ccc == 0 {
			starter = len(out)
		}
		out = append(out, c)
	}
	return out
}

// blocked reports whether the marks that stay between a starter and c keep c
// from it. They are in order of class, so that the last one decides.
func blocked(between []char, c char) bool {
	return len(between) > 0 && between[len(between)-1].ccc >= c.ccc
}

// compose returns the primary composite of a and b in Unicode 3.2, if there is
// one. A composite with a part that 3.2 did not know is itself unknown to it,
// so that looking at the result is enough.
func compose(a, b rune) (rune, bool) {
	var second, pair, form [2 * utf8.UTFMax]byte
	if norm.NFC.Properties(utf8.AppendRune(second[:0], b)).BoundaryBefore() {
		return 0, false // never the second of a pair
	}
	nfc := norm.NFC.Append(form[:0], utf8.AppendRune(utf8.AppendRune(pair[:0], a), b)...)
	r, size := utf8.DecodeRune(nfc)
	if size != len(nfc) || isUnassigned(r) {
		return 0, false
	}
	return r, true
}
