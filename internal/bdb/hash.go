package bdb

// hashKey is the hash function of keys since Berkeley DB 2.7: FNV-1 with 0 for
// its start. Anybody can make keys that collide; the cost is a long chain.
func hashKey(key []byte) uint32 {
	var h uint32
	for _, c := range key {
		h = h*16777619 ^ uint32(c)
	}
	return h
}

// hashOld is the hash function of earlier versions. It lives on as the checksum
// of pages, and in files whose maker asked for it.
func hashOld(b []byte) uint32 { return hashOldFrom(0, b) }

// hashOldFrom takes four bytes at a time: else each would wait for the one before,
// and a file with checksums would take twice as long to read.
func hashOldFrom(h uint32, b []byte) uint32 {
	for ; len(b) >= 4; b = b[4:] {
		h = h*(33*33*33*33) + uint32(b[0])*(33*33*33) + uint32(b[1])*(33*33) + uint32(b[2])*33 + uint32(b[3])
	}
	for _, c := range b {
		h = h*33 + uint32(c)
	}
	return h
}

// probeKey is hashed into the metadata, so that a reader can tell the function.
var probeKey = []byte("%$sniglet^&\x00")

// hashFunction returns the function that gives probe for the probe key, or nil if
// the maker of the file brought one of its own.
func hashFunction(probe uint32) func([]byte) uint32 {
	switch probe {
	case hashKey(probeKey):
		return hashKey
	case hashOld(probeKey):
		return hashOld
	}
	return nil
}

// checksum computes the checksum of a page, or of the first 512 bytes of page 0.
// The four bytes at offset at, where it is kept, count as zeros.
func checksum(page []byte, at int) uint32 {
	h := hashOld(page[:at])
	h = hashOldFrom(h, []byte{0, 0, 0, 0})
	return hashOldFrom(h, page[at+4:])
}
