//go:build !unix

package sasldb

// mayChange: on this system nothing but a change says it.
func mayChange(string) bool { return true }
