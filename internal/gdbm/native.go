package gdbm

import (
	"encoding/binary"
	"runtime"
)

// Native returns the layout of the files that libgdbm makes on a machine like this
// one. It reads no others: neither byte order nor the width of anything is
// converted.
func Native() Layout {
	l := Layout{BigEndian: isBig(binary.NativeEndian), Chars: nativeChars()}
	if runtime.GOARCH == "386" {
		l.Width = Offsets64Packed
	}
	return l
}

// nativeChars follows the ABIs of the systems that Go runs on.
func nativeChars() Chars {
	switch runtime.GOOS {
	case "darwin", "ios", "windows":
		return SignedChars
	}
	switch runtime.GOARCH {
	case "arm", "arm64", "ppc64", "ppc64le", "riscv64", "s390x":
		return UnsignedChars
	}
	return SignedChars
}

// usualChars resolves UsualChars.
func usualChars(order binary.ByteOrder) Chars {
	big := isBig(order)
	switch {
	case big == isBig(binary.NativeEndian):
		return nativeChars()
	case big:
		return UnsignedChars
	}
	return SignedChars
}

func isBig(order binary.ByteOrder) bool { return order.Uint16([]byte{1, 0}) == 1<<8 }
