package bdb

import "encoding/binary"

// A Kind is what the first bytes of a file say it is.
type Kind uint8

const (
	KindUnknown Kind = iota // no Berkeley DB file
	KindHash                // the kind that this package reads
	KindBtree               // also the directory of a file with sub-databases
	KindQueue
	KindHeap
	KindRename    // what libdb leaves behind while it renames
	KindOldFormat // 1.85 and early 2.x, which had the magic in front
)

var kindNames = [...]string{
	KindUnknown:   "not a Berkeley DB file",
	KindHash:      "a Berkeley DB hash file",
	KindBtree:     "a Berkeley DB btree file, or one with sub-databases",
	KindQueue:     "a Berkeley DB queue file",
	KindHeap:      "a Berkeley DB heap file",
	KindRename:    "the trace of an unfinished Berkeley DB rename",
	KindOldFormat: "a Berkeley DB file of version 1.85 or 2",
}

// String says what a file of this kind is, to follow "the file is".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[KindUnknown]
}

const magicHash = 0x00061561

// magics are the numbers at byte 12.
var magics = map[uint32]Kind{
	magicHash:  KindHash,
	0x00053162: KindBtree,
	0x00042253: KindQueue,
	0x00074582: KindHeap,
	0x00030800: KindRename,
}

// sniffSize is how many bytes Sniff looks at.
const sniffSize = 16

// Sniff recognises a file by its first 16 bytes; fewer are KindUnknown.
func Sniff(head []byte) Kind {
	kind, _ := sniff(head)
	return kind
}

// sniff also tells the byte order of the file; it is nil for KindUnknown.
func sniff(head []byte) (Kind, binary.ByteOrder) {
	if len(head) < sniffSize {
		return KindUnknown, nil
	}
	orders := []binary.ByteOrder{binary.LittleEndian, binary.BigEndian}
	for _, order := range orders {
		if kind, ok := magics[order.Uint32(head[12:])]; ok {
			return kind, order
		}
	}
	for _, order := range orders {
		if kind := magics[order.Uint32(head)]; kind == KindHash || kind == KindBtree {
			return KindOldFormat, order
		}
	}
	return KindUnknown, nil
}
