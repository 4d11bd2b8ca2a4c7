//go:build !linux

package sasldb

// asNobody runs f with the rights of whoever runs the tests.
func asNobody(f func()) { f() }
