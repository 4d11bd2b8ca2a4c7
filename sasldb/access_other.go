//go:build !unix

package sasldb

// mayAdd: on this system nothing but a change says it.
func mayAdd(string) bool { return true }
