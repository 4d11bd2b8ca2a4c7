package crypt

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 this is what the stored hashes are made with

	"github.com/saslkit/saslkit/internal/secret"
)

// parseNT reads $3$$hash, the NT hash of FreeBSD and libxcrypt: MD4 of the password in
// 16-bit characters, in 32 lower-case hex digits, without salt.
//
// The two take each byte for a character. Windows, Samba and passlib hash UTF-16, which
// is something else beyond ASCII, so a password in UTF-8 is tried in both ways, always.
func parseNT(scheme, stored string) (*Hash, error) {
	digits, ok := strings.CutPrefix(stored, "$3$$")
	want, err := hex.DecodeString(digits)
	if !ok || err != nil || len(want) != md4.Size || strings.ToLower(digits) != digits {
		return nil, notHash(scheme)
	}
	return &Hash{
		cost:    Cost{Scheme: scheme},
		longest: maxCryptPassword,
		check: func(password string) bool {
			asBytes := secret.Equal(md4Of(widened(password)), want)
			asText := secret.Equal(md4Of(utf16.Encode([]rune(password))), want)
			return asBytes || asText
		},
	}, nil
}

// widened makes a character of each byte.
func widened(password string) []uint16 {
	characters := make([]uint16, len(password))
	for i := range len(password) {
		characters[i] = uint16(password[i])
	}
	return characters
}

func md4Of(characters []uint16) []byte {
	text := make([]byte, 0, 2*len(characters))
	for _, c := range characters {
		text = binary.LittleEndian.AppendUint16(text, c)
	}
	h := md4.New()
	h.Write(text)
	return h.Sum(nil)
}
