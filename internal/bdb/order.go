package bdb

import "bytes"

// A pageKey is a key as libdb sees it when it sorts the pairs of a page.
type pageKey struct {
	bytes   []byte
	offPage bool
}

// compareKeys orders the pairs of a page of type 13: byte by byte over the common
// length; if one key is the beginning of the other the longer comes first, except
// that the shorter does when either is off-page.
//
// This is no order at all once an on-page key is the beginning of an off-page key
// and both are on one page: libdb then fails to find the long one, and an
// overwrite of it adds a second record. Build keeps them on separate pages.
func compareKeys(a, b pageKey) int {
	common := min(len(a.bytes), len(b.bytes))
	if c := bytes.Compare(a.bytes[:common], b.bytes[:common]); c != 0 {
		return c
	}
	if a.offPage || b.offPage {
		return len(a.bytes) - len(b.bytes)
	}
	return len(b.bytes) - len(a.bytes)
}
