package bdb

import "bytes"

// Lookup finds one key by Scan, as a server's index is made.
func (f *File) Lookup(key []byte) (value []byte, found bool, err error) {
	fault := f.Scan(func(k, v []byte) {
		if bytes.Equal(k, key) {
			value, found = bytes.Clone(v), true
		}
	})
	if fault != nil {
		return nil, false, fault
	}
	return value, found, nil
}
