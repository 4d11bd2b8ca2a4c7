package bdb

import (
	"sync"

	"github.com/saslkit/saslkit/internal/dbm"
)

// scans are those of files that were looked into, so that a thousand look-ups are one
// scan.
var scans sync.Map // *File to func() (map[string][]byte, *dbm.DamageError)

// Lookup finds one key by Scan, as a server's index is made.
func (f *File) Lookup(key []byte) (value []byte, found bool, err error) {
	scan, _ := scans.LoadOrStore(f, sync.OnceValues(func() (map[string][]byte, *dbm.DamageError) {
		all := map[string][]byte{}
		fault := f.Scan(func(k, v []byte) { all[string(k)] = append([]byte{}, v...) })
		return all, fault
	}))
	all, fault := scan.(func() (map[string][]byte, *dbm.DamageError))()
	if fault != nil {
		return nil, false, fault
	}
	value, found = all[string(key)]
	return value, found, nil
}
