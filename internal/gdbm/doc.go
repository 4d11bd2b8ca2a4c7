// Package gdbm reads and writes the files of GDBM, which is what sasldb is on
// Fedora, RHEL from 9 on, and Arch. It knows bytes, keys and values; what a key
// means is the business of package sasldb.
//
// The ordinary path: [Open] a file held in memory, [File.Scan] it or take its
// [File.Records], and [File.Rewrite] it whole with the layout of the old one, or
// [Build] a new one. [File.Verify] looks closer than libgdbm does. The package does
// no I/O, holds no state, and changes no byte it was given.
//
// A file is never trusted. Every offset and count is compared with what is there
// before it is used, every bucket is visited once, and bytes that two records claim
// are nobody's, so that the work is bounded by the size of the file. A record is
// given only if libgdbm, asked for its key, would find it.
//
// # The file
//
// A file is an image of C structs. The byte order, the size of a file offset
// (off_t) and the padding before it are those of the machine that made it, and
// libgdbm opens no other; a program of 32 bits does not open a file of 64. This
// package reads and writes all of them. Three shapes exist:
//
//	shape               off_t  at multiples of   made on
//	[Offsets64]             8                8   all 64-bit machines, and most of 32 bits
//	[Offsets64Packed]       8                4   32-bit x86
//	[Offsets32]             4                4   32-bit machines without large files
//
// The first two have the same magic number; the number of slots in a bucket tells
// them apart. Files of libgdbm 1.23 for x86-64, i386, arm64 and s390x were seen,
// of libgdbm compiled for 32-bit offsets, and, made by others, for both kinds of
// big endian MIPS. Big endian files with 32-bit offsets follow from the structs;
// none was seen.
//
// A file is a row of blocks. Keys are found by extendible hashing: the first
// dir_bits of a key's hash are an index into the directory, which has the offset of
// a bucket. A bucket that was chosen by fewer bits stands in several entries, which
// are neighbours. When a bucket is full libgdbm makes two of it, by one more bit,
// and doubles the directory if that has no more bits. Directory, buckets and records
// lie anywhere, in no order, and need not begin at a block.
//
//	header ── directory ──> entry 0 ─┬─> bucket (1 bit) ── slots ──> key, value
//	                        entry 1 ─┘
//	                        entry 2 ───> bucket (2 bits)
//	                        entry 3 ───> bucket (2 bits)
//	       ── free space, and more of it in each bucket
//
// # Header, at the beginning of block 0
//
//	      offset
//	8-byte  4-byte  size  field
//	     0       0     4  magic: 0x13579ace original, of either size of off_t;
//	                      acd and acf standard, with off_t of 4 and 8 bytes;
//	                      ad0 and ad1 numsync, the same
//	     4       4     4  block size in bytes, a power of two, 512 or more
//	     8       8   8/4  offset of the directory
//	    16      12     4  size of the directory in bytes: off_t · 2^dir_bits
//	    20      16     4  dir_bits, at least as many as fill a block
//	    24      20     4  bucket size: one block
//	    28      24     4  slots in a bucket, as many as fit
//	    32      28   8/4  the end of the file, a multiple of the block size
//	    40      32    32  only in numsync files: version 0, counter of
//	                      synchronizations, 24 bytes of nothing
//	 40/72   32/64        table of free space, up to the end of the block
//
// # Table of free space
//
//	8-byte  4-byte  size  field
//	     0       0     4  elements that have room
//	     4       4     4  elements that there are
//	     8       8   8/4  offset of a further table, 0 if there is none; it has
//	                      room for half as many elements as this one, and one
//	    16      12        elements, 16 bytes (packed 12, 4-byte off_t 8): size in
//	                      bytes, offset
//
// # Bucket, one block
//
//	8-byte  packed  4-byte  size  field
//	     0       0       0     4  elements of free space, up to 6
//	     8       4       4        6 elements of free space, as above
//	   104      76      52     4  bits of the hash that chose the bucket
//	   108      80      56     4  slots that are occupied
//	   112      84      60        slots, 24 bytes (4-byte off_t 20)
//
// # Slot
//
//	8-byte  4-byte  size  field
//	     0       0     4  hash, 31 bits; −1 if the slot is empty
//	     4       4     4  the first bytes of the key, what follows a shorter key
//	                      is left over from something else
//	     8       8   8/4  offset of the key, which the value follows
//	    16      12     4  length of the key
//	    20      16     4  length of the value
//
// The slot of a key is its hash modulo the number of slots or, if that is occupied,
// the next that is not. A look-up goes the same way and ends at an empty slot.
//
// # Chars
//
// The hash adds the bytes of a key as C chars, which are signed on x86 and unsigned
// on ARM, POWER and s390x, see [Chars]. Nothing in the header tells which. A file
// whose keys all agree is sound, whichever it is; if they do not, it was changed on
// two kinds of machines, and each finds a part of it. A rewrite keeps what the file
// has. If all keys are ASCII there is nothing to keep and what is usual is taken:
// what this machine has, or in files of the other byte order what most machines of
// that order have.
package gdbm
