package crypt

// crypt64 is the alphabet of crypt(3). Its digits come least significant first, except
// in hashes of DES.
const crypt64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// crypt64Value is the value of each digit, 64 for what is none.
var crypt64Value = func() (v [256]uint8) {
	for i := range v {
		v[i] = 64
	}
	for i := range len(crypt64) {
		v[crypt64[i]] = uint8(i)
	}
	return v
}()

var crypt64Byte = set(func(b byte) bool { return crypt64Value[b] < 64 })

// little reads digits of 6 bits, the least significant first. The caller has checked
// them, and that there are at most five.
func little(digits string) (n uint32) {
	for i := range len(digits) {
		n |= uint32(crypt64Value[digits[i]]) << (6 * i)
	}
	return n
}

// appendLittle appends digits of a value, the least significant first.
func appendLittle(dst []byte, v uint32, digits int) []byte {
	for range digits {
		dst = append(dst, crypt64[v&63])
		v >>= 6
	}
	return dst
}

// isHash reports whether a text can be a hash: so many digits of crypt64. Bits in the
// last digit that no hash has set make it one that nothing matches.
func isHash(text string, digits int) bool { return len(text) == digits && holds(&crypt64Byte, text) }
