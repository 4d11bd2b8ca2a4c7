package crypt

import (
	"crypto/des"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestDESWithoutSalt: without salt it is DES, as the standard library has it.
func TestDESWithoutSalt(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		key, block := random.Uint64(), random.Uint64()
		cipher, err := des.NewCipher(binary.BigEndian.AppendUint64(nil, key))
		if err != nil {
			t.Fatal(err)
		}
		out := binary.BigEndian.AppendUint64(nil, block)
		want := block
		for range 3 {
			cipher.Encrypt(out, out)
			want = binary.BigEndian.Uint64(out)
		}
		k := newDESKey(key)
		if got := k.encrypt(block, desSalt{}, 3); got != want {
			t.Fatalf("key %x, block %x: %x, want %x", key, block, got, want)
		}
	}
}
