// Package unixask asks a daemon on a unix socket one question on each connection, as
// the password daemons of Cyrus SASL want it: no more questions under way than the
// limit, and none for longer than its time and its context allow. It starts no
// goroutine that outlives a question, and keeps no descriptor.
package unixask
