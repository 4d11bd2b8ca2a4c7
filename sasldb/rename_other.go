//go:build !linux

package sasldb

// renameNew gives a file a name that must not be taken; the error matches
// fs.ErrExist if it is.
func (t *target) renameNew(from, to string) error { return t.linkNew(from, to) }
