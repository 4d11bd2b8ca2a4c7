//go:build amd64 || arm64

// Package prefetch asks the processor for memory ahead of its use. A load would not
// do before a system call: the kernel's entry waits for loads, not for this.
package prefetch

// Line asks for the cache line that holds *p. It reads nothing and cannot fault.
//
//go:noescape
func Line(p *byte)
