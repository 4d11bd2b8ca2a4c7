package gdbm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// corrupt returns a broken copy of a file, and what was done. The beginnings of
// blocks are hit more often than their share.
func corrupt(r *rand.Rand, whole []byte, blockSize int) ([]byte, string) {
	data := bytes.Clone(whole)
	block := r.IntN(len(data)/blockSize) * blockSize
	switch at := block + r.IntN(160); r.IntN(6) {
	case 0:
		n := r.IntN(len(data))
		return data[:n], fmt.Sprintf("cut at %d", n)
	case 1:
		n := r.IntN(len(data)/blockSize) * blockSize
		copy(data[block:block+blockSize], whole[n:])
		return data, fmt.Sprintf("bytes %d and on written to %d", n, block)
	case 2:
		clear(data[block : block+blockSize])
		return data, fmt.Sprintf("block at %d zeroed", block)
	case 3:
		data[at] ^= 1 << r.IntN(8)
		return data, fmt.Sprintf("bit at %d flipped", at)
	case 4:
		data[at] = byte(r.Uint32())
		return data, fmt.Sprintf("byte %d replaced", at)
	}
	at := r.IntN(len(data))
	data[at] ^= 1 << r.IntN(8)
	return data, fmt.Sprintf("bit at %d flipped", at)
}
