//go:build !linux

// Package nobody lets tests that run as root meet a permission that is denied.
package nobody

// Do runs f with the rights of whoever runs the tests: only Linux has rights to
// files of a thread.
func Do(f func()) { f() }
