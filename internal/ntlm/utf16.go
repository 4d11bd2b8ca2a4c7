package ntlm

import (
	"encoding/binary"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeUTF16 reads little-endian UTF-16. It refuses an odd length and half a
// surrogate pair: such names have no UTF-8.
func decodeUTF16(b []byte) (string, bool) {
	if len(b)%2 != 0 {
		return "", false
	}
	text := make([]byte, 0, len(b))
	for ; len(b) > 0; b = b[2:] {
		r := rune(binary.LittleEndian.Uint16(b))
		if utf16.IsSurrogate(r) {
			if len(b) < 4 {
				return "", false
			}
			b = b[2:]
			if r = utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b))); r == utf8.RuneError {
				return "", false
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return string(text), true
}

// appendUTF16 appends a text, which is UTF-8, in little-endian UTF-16.
func appendUTF16(b []byte, s string) []byte {
	for _, r := range s {
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			b = binary.LittleEndian.AppendUint16(b, uint16(high))
			r = low
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(r))
	}
	return b
}

// upper maps a user name to capitals as Windows does, character by character and
// only in the first plane. A character that has no capital of its own stays: sharp s,
// the dotless i, the micro sign. The small sigma at the end of a word is the one
// exception.
func upper(user string) string {
	capitals := make([]byte, 0, len(user))
	for _, r := range user {
		if u := unicode.ToUpper(r); r <= 0xffff && (unicode.ToLower(u) == r || r == 'ς') {
			r = u
		}
		capitals = utf8.AppendRune(capitals, r)
	}
	return string(capitals)
}
