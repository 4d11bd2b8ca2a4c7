//go:build !race

package saslauthd

// callers are as many as there are checks.
const callers = 10_000
