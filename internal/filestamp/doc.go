// Package filestamp tells one content of a file from another without reading it.
package filestamp

import "time"

// SettleTime is the age from which a stamp tells one content from another: two
// seconds is the coarsest time stamp of a file system in use (FAT's). Before that a
// second write can share the stamp of the first.
const SettleTime = 2 * time.Second

// Settled reports whether a stamp that was taken at that time, or later, tells its
// content from every later one.
func (s Stamp) Settled(now time.Time) bool { return now.Sub(s.Modified()) > SettleTime }
