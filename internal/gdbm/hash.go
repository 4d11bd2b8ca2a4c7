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
	return [...]string{UsualChars: "usual", SignedChars: "signed", UnsignedChars: "unsigned"}[c]
}

// hashKey is libgdbm's hash function. Anybody can make keys that collide.
func (c Chars) hashKey(key []byte) uint32 {
	h := 0x238f13af * uint32(len(key))
	for i, b := range key {
		v := uint32(b)
		if c == SignedChars {
			v = uint32(int8(b))
		}
		h = (h + v<<(i%24*5%24)) & hashMask
	}
	return (1103515243*h + 12345) & hashMask
}

// charsOf tells which chars make the hash of a key: both, told as UsualChars, if
// the key is ASCII. If neither does, ok is false.
func charsOf(key []byte, hash uint32) (c Chars, ok bool) {
	signed, unsigned := SignedChars.hashKey(key) == hash, UnsignedChars.hashKey(key) == hash
	switch {
	case signed && unsigned:
		return UsualChars, true
	case signed:
		return SignedChars, true
	}
	return UnsignedChars, unsigned
}
