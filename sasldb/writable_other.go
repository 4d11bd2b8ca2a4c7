//go:build !linux

package sasldb

// isMount: on this system the rename says it.
func (t *target) isMount() bool { return false }
