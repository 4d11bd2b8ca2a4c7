package digestlayer

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/rc4"
	"math/bits"
)

// A Cipher is one of RFC 2831's ciphers for auth-conf.
type Cipher struct {
	Name     string // in the directive "cipher"
	Strength int    // bits of key, as Cyrus SASL counts them

	hashed int  // octets of H(A1) that make its key
	block  bool // whole blocks of 8 octets
	// make returns what encrypts or decrypts.
	make func(key []byte, decrypt bool) (crypt, error)
}

// A crypt encrypts or decrypts the next octets of a direction; dst and src are the
// same.
type crypt func(dst, src []byte)

// ciphers are the rows, strongest first.
var ciphers = []*Cipher{
	{Name: "rc4", Strength: 128, hashed: md5.Size, make: newRC4},
	{Name: "3des", Strength: 112, hashed: md5.Size, block: true, make: newTripleDES},
	{Name: "rc4-56", Strength: 56, hashed: 7, make: newRC4},
	{Name: "des", Strength: 55, hashed: md5.Size, block: true, make: newDES},
	{Name: "rc4-40", Strength: 40, hashed: 5, make: newRC4},
}

// Ciphers returns all ciphers, strongest first. It is not to be changed.
func Ciphers() []*Cipher { return ciphers }

// ByName finds a cipher; nil if there is none of the name.
func ByName(name string) *Cipher {
	for _, c := range ciphers {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// newRC4 uses all octets of the key, also where few of H(A1) went into it.
func newRC4(key []byte, _ bool) (crypt, error) {
	c, err := rc4.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return c.XORKeyStream, nil
}

func newDES(key []byte, decrypt bool) (crypt, error) {
	b, err := des.NewCipher(withParity(key[:7]))
	return newCBC(b, err, key, decrypt)
}

// newTripleDES has two keys: the first is used again as the third.
func newTripleDES(key []byte, decrypt bool) (crypt, error) {
	one, two := withParity(key[:7]), withParity(key[7:14])
	keys := append(append(append(make([]byte, 0, 24), one...), two...), one...)
	b, err := des.NewTripleDESCipher(keys)
	return newCBC(b, err, key, decrypt)
}

// newCBC begins with the last 8 octets of the key.
func newCBC(b cipher.Block, err error, key []byte, decrypt bool) (crypt, error) {
	if err != nil {
		return nil, err
	}
	iv := key[md5.Size-des.BlockSize:]
	if decrypt {
		return cipher.NewCBCDecrypter(b, iv).CryptBlocks, nil
	}
	return cipher.NewCBCEncrypter(b, iv).CryptBlocks, nil
}

// withParity spreads 7 octets over 8: seven bits in each, and a last one that makes
// the number of ones odd. Crypto libraries want it so; crypto/des does not look.
func withParity(seven []byte) []byte {
	eight := make([]byte, 8)
	for i := range eight {
		var b byte
		if i < 7 {
			b = seven[i] >> i
		}
		if i > 0 {
			b |= seven[i-1] << (8 - i)
		}
		b &^= 1
		eight[i] = b | byte(bits.OnesCount8(b)+1)&1
	}
	return eight
}
