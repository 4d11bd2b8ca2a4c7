//go:build unix

package daemon

import "syscall"

// connsAllowed is how many connections this process may have both ends of, want at most.
func connsAllowed(want int) int {
	const others = 200 // descriptors
	needed := uint64(2*want + others)
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	if uint64(limit.Cur) < needed {
		raised := syscall.Rlimit{Cur: limit.Max, Max: limit.Max}
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised)
		if uint64(limit.Max) < needed {
			raised.Cur, raised.Max = 2*10_000+others, 2*10_000+others
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) // for root
		}
		syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	return min(want, (int(limit.Cur)-others)/2)
}
