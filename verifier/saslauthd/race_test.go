//go:build race

package saslauthd

// callers are fewer than the 8,128 goroutines that the race detector bears.
const callers = 5000
