// Package lmdb reads the data files of LMDB, one of the libraries that Cyrus SASL
// may be built with, and makes new ones. It knows bytes, keys and values; what a
// key means is the business of package sasldb.
//
// The ordinary path: [Open] a file held in memory, take its [File.Records] or
// [File.Scan] it, and ask [File.Settled] whether a writer was quicker than the
// reading. [Build] makes a file. [File.Verify] looks closer than mdb_stat.
// The package does no I/O, holds no state, and changes no byte it was given.
//
// A file is never trusted. Every offset, size and page number is compared with
// what is there before it is used; every page is visited once, so that a cycle is
// an error and the work is bounded by the size of the file; what is sound is given
// and what is not is told as a [dbm.DamageError] with its page. A record is given
// only if a look-up would end at it: its key is in order on its page and between
// the keys that lead there.
//
// # The file
//
// A file is a row of pages of one size. Pages 0 and 1 are metadata; any other is
// part of a B-tree, of a value, or free. Integers are in the byte order of the
// machine that made the file, and a word is its size_t: the tables are for 8
// bytes, the file of a 32-bit machine has 4 in their place and everything behind
// moved up. The maker's page size is in the file: 4096 on most machines, and 32768,
// the highest, on those with pages of 64 KiB.
//
//	page 1, transaction 7 ── main ──> branch ──> leaf ── big value ──> run of pages
//	                      │                 └──> leaf
//	                      └─ free ──> leaf: transaction 6 freed pages 9, 5, 4
//	page 0, transaction 6 (the state before)
//
// A transaction writes to free pages only, copying what it changes up to the root,
// and then its metadata over those of the transaction before the last: number n on
// page n modulo 2. So a state stays whole for one more transaction. Pages that
// transaction n freed may be written to by n + 2 and later ones; while a program
// reads, liblmdb keeps them for it, but it must have told so in the lock file,
// which we do not touch. See [File.Settled].
//
// # Every page but the later ones of a run
//
//	offset  size  field
//	     0  word  page number, its own
//	     8     2  0, or what liblmdb left in memory
//	    10     2  kind: 1 branch, 2 leaf, 4 overflow, 8 metadata; other bits are
//	              never on disk in the trees that are read
//	    12     2  end of the offsets      (overflow: 4 bytes,
//	    14     2  begin of the nodes       the pages of the run)
//
// # Metadata
//
//	offset  size  field
//	    16     4  magic: 0xbeefc0de
//	    20     4  version: 1; 999 is that of development, refused
//	    24  word  address to map the file at: 0
//	    32  word  map size: how large the file may become
//	    40    48  record of the free tree; its first 4 bytes are the page size
//	    88    48  record of the main tree
//	   136  word  number of the last page that was ever in use
//	   144  word  transaction; the higher of the two counts, page 0 if they are equal
//
// The file may be longer than its last page: sparse, up to the map size. It may be
// shorter as well: a page that was taken and given back within one transaction is
// counted but not written.
//
// # Record of a tree
//
//	offset  size  field
//	     0     4  0 (page size in the free tree)
//	     4     2  flags: 2 keys reversed, 4 to 64 kinds of duplicates, 8 numbers for
//	              keys; refused unless 0 in the main tree
//	     6     2  depth: 0 empty, 1 the root is a leaf
//	     8  word  branch pages
//	    16  word  leaf pages
//	    24  word  overflow pages
//	    32  word  entries
//	    40  word  root; all bits set if the tree is empty
//
// # Branch and leaf pages
//
// The header is followed by a table of 2-byte offsets, one for each node in the
// order of keys: byte by byte, of a key and its beginning the shorter first. The
// nodes fill the page from its end downwards, without gaps, in any order.
//
//	offset  size  field
//	     0     4  branch: low half of the child's page number; leaf: size of the value
//	     4     2  branch: high part of the page number (8-byte words; else 0);
//	              leaf: 0, 1 big, 2 a named database, 4 duplicates
//	     6     2  size of the key, 1 to 511 in a leaf
//	     8        key, value; a byte if that makes the size even
//
// A child has the keys from that of its node up to the next one's; the key of a
// branch's first node is not looked at, and mostly empty. All leaves are equally
// deep. A branch has two children at least and a leaf one record.
//
// A node of more than half a page less some bytes is big: in place of the value is
// the word-sized number of an overflow page. The value begins behind that page's
// header and goes on through the following pages of the run, which have none. The
// run may be longer than the value, and a big value short, if it was replaced
// within its transaction.
//
// # Free tree
//
// Keys are transaction numbers, a word each. Values are a word, how many pages the
// transaction freed or left free, and that many page numbers, descending.
package lmdb
