package dbm

// A Set remembers numbers of pages, a bit for each page of the file.
type Set []uint64

// NewSet returns an empty set for the numbers below n.
func NewSet(n uint32) Set { return make(Set, (uint64(n)+63)/64) }

// Add puts n into the set and returns false if it was there.
func (s Set) Add(n uint32) bool {
	if s.Has(n) {
		return false
	}
	s[n/64] |= 1 << (n % 64)
	return true
}

// Has reports whether n is in the set.
func (s Set) Has(n uint32) bool { return s[n/64]&(1<<(n%64)) != 0 }
