package sasldb

import "golang.org/x/sys/unix"

// The calls by path alone, which arm64 does not have. Libraries in C use them.
func init() {
	path := func(p process, args [6]uint64) (string, error) { return p.named(atCwd, &args[0]) }
	second := func(p process, args [6]uint64) (string, error) { return p.named(atCwd, &args[1]) }
	watchedCalls[unix.SYS_OPEN] = watched{"open", creates, func(p process, args [6]uint64) (string, error) {
		return openedForWriting(p, [6]uint64{atCwd, args[0], args[1]})
	}}
	watchedCalls[unix.SYS_CREAT] = watched{"creat", creates, path}
	watchedCalls[unix.SYS_RENAME] = watched{"rename", renames, second}
	watchedCalls[unix.SYS_LINK] = watched{"link", aliases, second}
	watchedCalls[unix.SYS_UNLINK] = watched{"unlink", unlinks, path}
	watchedCalls[unix.SYS_MKDIR] = watched{"mkdir", creates, path}
	watchedCalls[unix.SYS_CHMOD] = watched{"chmod", dresses, path}
	watchedCalls[unix.SYS_CHOWN] = watched{"chown", dresses, path}
}

const atCwd = 0xffffffff & uint64(1<<32+unix.AT_FDCWD)

// skipCall has the kernel make no call, at the entry of one.
func (p process) skipCall() error {
	return p.changeRegisters(func(r *unix.PtraceRegs) { r.Orig_rax = ^uint64(0) })
}

// setResult says what the call returned, at its end.
func (p process) setResult(value int64) error {
	return p.changeRegisters(func(r *unix.PtraceRegs) { r.Rax = uint64(value) })
}

func (p process) changeRegisters(change func(*unix.PtraceRegs)) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(int(p), &r); err != nil {
		return err
	}
	change(&r)
	return unix.PtraceSetRegs(int(p), &r)
}
