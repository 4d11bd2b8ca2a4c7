// Package bdb reads and writes the hash files of Berkeley DB, which is what
// /etc/sasldb2 is on most mail servers. It knows bytes, keys and values;
// what a key means is the business of package sasldb.
//
// The ordinary path: [Open] a file held in memory, take its [File.Records], and
// [File.Rewrite] it whole with the layout of the old one, or [Build] a new one.
// [File.Verify] looks closer than libdb's db_verify.
// The package does no I/O, holds no state, and changes no byte it was given.
//
// A file is never trusted. Every offset, count and page number is compared with
// what is there before it is used; every page is visited once, so that a
// cycle is an error and the work is bounded by the size of the file; what is
// sound is given and what is not is told as a [dbm.DamageError] with its page.
// A record is given only if its key belongs into the bucket it was found in,
// and its bytes are all there.
//
// # The file
//
// A file is a row of pages of one size. Page 0 is the metadata; a page number
// is a position in this row, so that 0 also means "none". Integers are in the
// byte order of the machine that made the file, which the magic number tells.
//
// Buckets are pages and their overflow: a key is hashed, the hash names a
// bucket, the bucket has one page or, if that became full, a chain of them. A
// key or value too long for this is kept in a chain of overflow pages, and its
// place in the bucket holds a reference.
//
//	metadata ── spares ──> bucket 0: page 1 ──next──> page 7
//	                       bucket 1: page 2
//	                                   └─ off-page value ──> page 8 ──next──> page 9
//	         ── free ────> page 10 ──next──> page 4          (nobody's)
//
// # Metadata, the first 512 bytes of page 0
//
//	offset  size  field
//	     0     8  log sequence number: 0, 1 outside of transactions
//	     8     4  page number: 0
//	    12     4  magic: 0x00061561
//	    16     4  version: 7 (3.1 to 4.0), 8 (4.1 to 4.5), 9 (4.6 to 5.3), 10 (6.0)
//	    20     4  page size in bytes, a power of two, 512 to 65536
//	    24     1  encryption: 0 none; anything else is refused
//	    25     1  page type: 8
//	    26     1  flags: 1 checksums; 2 and 4 partitions, refused
//	    28     4  head of the list of free pages
//	    32     4  number of the last page
//	    40     8  cached counts of keys and records; hearsay
//	    48     4  flags: 1 duplicates, 4 sorted duplicates; 2 sub-databases, refused
//	    52    20  file id
//	    72     4  highest bucket
//	    76     4  high mask: the least 2^k - 1 that is not below the highest bucket
//	    80     4  low mask: high mask >> 1
//	    84     4  fill factor; 0: buckets are split when a page is full
//	    88     4  number of pairs; drifts, never to be believed
//	    92     4  hash of the 12 bytes "%$sniglet^&" NUL: tells the hash function
//	    96   128  spares: 32 numbers, one for each doubling of the table
//	   224    20  references to a blob store, version 10 only; refused unless 0
//	   460     4  zero, used by encryption
//	   476    16  zero, used by encryption
//	   492     4  checksum of the 512 bytes, if flags & 1 (libdb's comments say 496)
//
// A hash h names bucket h & high mask or, if that is above the highest bucket,
// h & low mask. Bucket b starts on page b + spares[bit length of b]: the pages
// of one doubling, buckets 2^(i-1) to 2^i - 1, lie side by side.
//
// # Any other page
//
//	offset  size  field
//	     0     8  log sequence number
//	     8     4  page number, its own
//	    12     4  previous page of the chain; often wrong in files in use
//	    16     4  next page of the chain
//	    20     2  entries: two for each pair; on an overflow page 1
//	    22     2  lowest byte used by items (65536 is written 0);
//	              on an overflow page the number of data bytes
//	    24     1  level: 0
//	    25     1  type: 0 free, 2 hash unsorted, 13 hash sorted, 7 overflow
//	    28     4  checksum of the page, in files that have them
//
// The header is 26 bytes, with checksums 32. A bucket page that was never used
// is zero from end to end and has no checksum.
//
// On a hash page the header is followed by a table of 2-byte offsets, one per
// item, key and value in turn. The items fill the page from its end downwards:
// item i lies between its offset and the offset before it. On a page of type 13
// (version 9) the pairs are in the order of [compareKeys]; libdb looks a key up
// by bisection and does not find it elsewhere.
//
// The first byte of an item says what follows:
//
//	1 data       the bytes themselves
//	2 duplicate  several values, each as length, bytes, length
//	3 off-page   3 unused bytes, u32 first overflow page, u32 length: 12 in all
//	4 off-page duplicates, 5 blob: not for sasldb; the record is refused
//
// libdb keeps keys and values longer than a quarter of a page off-page.
package bdb
