package gdbm

// hashBits is the length of a hash. The sign bit of the int that keeps it is free,
// and −1 marks an empty slot.
const (
	hashBits = 31
	hashMask = 1<<hashBits - 1
)

// Chars says what a C char is to the compiler of libgdbm. Its hash function adds
// chars, so the bytes from 0x80 on count differently: of a file that was copied
// from an x86 machine to an ARM one, libgdbm finds no key that has any.
type Chars uint8

const (
	// UsualChars stands for what is usual in files of a byte order: what this
	// machine has if it is its own order, else signed in little endian files, as
	// on x86, and unsigned in big endian ones, as on s390x and POWER.
	UsualChars Chars = iota
	SignedChars
	UnsignedChars
)

func (c Chars) String() string {
	switch c {
	case SignedChars:
		return "signed"
	case UnsignedChars:
		return "unsigned"
	}
	return "usual"
}

// hashKey is libgdbm's hash function. Anybody can make keys that collide.
func (c Chars) hashKey(key []byte) uint32 {
	sum, negative := sumKey(key)
	if c == SignedChars {
		sum -= negative
	}
	return scramble(sum)
}

// sumKey adds the bytes of a key, each shifted to another place, and apart from
// that by how much the sum is less if chars are signed: a byte from 0x80 on then
// counts 256 less.
func sumKey(key []byte) (sum, negative uint32) {
	sum = 0x238f13af * uint32(len(key))
	shift := 0
	for _, b := range key {
		sum += uint32(b) << shift
		negative += uint32(b>>7) << 8 << shift
		if shift += 5; shift >= 24 {
			shift -= 24
		}
	}
	return sum, negative
}

func scramble(sum uint32) uint32 { return (1103515243*(sum&hashMask) + 12345) & hashMask }

// charsOf tells which chars make the hash of a key: both, told as UsualChars, if
// the key is ASCII. If neither does, ok is false.
func charsOf(key []byte, hash uint32) (c Chars, ok bool) {
	sum, negative := sumKey(key)
	signed, unsigned := scramble(sum-negative) == hash, scramble(sum) == hash
	switch {
	case signed && unsigned:
		return UsualChars, true
	case signed:
		return SignedChars, true
	}
	return UnsignedChars, unsigned
}
